"""What a node's `model:` value means (packaged weights, a local path or a hub id), and what identifies the weights.

The hub's cache is read as files (https://huggingface.co/docs/huggingface_hub/guides/manage-cache), so that the key of a
step is known without importing a library.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studio import ModelUnavailable

from ._packaged import Packaged

COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Model:
    """A resolved `model:` value: what to load, at which commit of the hub (None: not a hub id, or not yet known)."""

    source: str
    commit: str | None = None


def resolve(model: str, revision: str = "main", packaged: Mapping[str, Packaged] | None = None) -> Model:
    """What to load for `model`: a packaged name first, then a path that exists, then a hub id."""
    if packaged and model in packaged:
        return Model(str(packaged[model].folder()))
    if path := local_path(model):
        return Model(str(path))
    return Model(model, commit(model, revision))


def identify(
    model: str,
    fingerprint: Callable[[Path], str],
    revision: str = "main",
    packaged: Mapping[str, Packaged] | None = None,
) -> dict[str, str]:
    """What identifies the weights of `model`, as plain data."""
    if packaged and model in packaged:
        return {"packaged": model, "sha256": packaged[model].digest}
    if path := local_path(model):
        return {"content": fingerprint(path)}
    if found := commit(model, revision):
        return {"hub": model, "commit": found}
    raise ModelUnavailable(
        f"model '{model}' is not in the hub cache {hub_cache()}: it is identified once it is downloaded"
    )


def local_path(model: str) -> Path | None:
    """`model` as a file or folder of this machine, if it is one; a value that can only be a path must be one."""
    path = Path(model).expanduser()
    if path.exists():
        return path.resolve()
    if model.startswith(("/", "./", "../", "~")):
        raise ModelUnavailable(f"model '{model}': no such file or folder ({path.absolute()})")
    return None


def commit(model: str, revision: str = "main") -> str | None:
    """The commit that `revision` of hub model `model` has in the local hub cache."""
    if COMMIT.fullmatch(revision):
        return revision
    repo = hub_cache() / f"models--{model.replace('/', '--')}"
    ref = repo / "refs" / revision
    found = ref.read_text().strip() if ref.is_file() else ""
    return found if found and (repo / "snapshots" / found).is_dir() else None


def hub_cache() -> Path:
    """Where Hugging Face libraries keep downloads."""
    if cache := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(cache).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(home).expanduser() / "hub"


@contextmanager
def loading(
    model: str, extra: str, packaged: Mapping[str, Packaged] | None = None, instead: str = ""
) -> Iterator[None]:
    """Turn a library's failure to find or fetch weights into one message with the ways out, `instead` among them."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelUnavailable(_absent(model, extra, packaged, instead, error)) from error


def _absent(model: str, extra: str, packaged: Mapping[str, Packaged] | None, instead: str, error: Exception) -> str:
    """What was looked for, where, and the ways out."""
    offline = os.environ.get("HF_HUB_OFFLINE", "0") not in {"", "0"}
    network = "unset HF_HUB_OFFLINE so that it may be downloaded" if offline else "check the network and the hub id"
    ways = [network, "give a local folder"]
    if packaged:
        ways.append(f"use a packaged one ({', '.join(packaged)}; pip install 'icode-studio[{extra}]')")
    if instead:
        ways.append(instead)
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return (
        f"model '{model}' could not be loaded; looked in {hub_cache()}: {reason[0]}. The way out: {'; or '.join(ways)}"
    )
