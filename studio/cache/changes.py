"""Changes: what sets the parts of one key apart from those of another, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator

from studio.cache.record import Parts

__all__ = ["differences"]


def differences(old: Parts, new: Parts) -> list[str]:
    """What is different, in words."""
    told = [
        f"{name}: {old.get(name)} -> {new.get(name)}"
        for name in ("scheme", "version")
        if old.get(name) != new.get(name)
    ]
    if old["source"] != new["source"]:
        told.append("source: the node's code changed")
    told += list(_config_differences(old["config"], new["config"]))
    if old["model"] != new["model"]:
        told.append("model: other weights")
    for name in sorted(old["inputs"].keys() | new["inputs"].keys()):
        before, after = old["inputs"].get(name), new["inputs"].get(name)
        if before != after:
            told.append(f"input '{name}': {_input_difference(before, after)}")
    return told


def _input_difference(before: list[str] | None, after: list[str] | None) -> str:
    if before is None or after is None:
        return "now wired" if before is None else "no longer wired"
    renamed = len(before) == len(after) == 3 and before[:2] == after[:2]
    return f"another name: {_short(before[2])} -> {_short(after[2])}" if renamed else "other content"


def _config_differences(old: Parts, new: Parts) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after and type(before) is type(after):
            continue
        if isinstance(after, dict) and "salted" in after:
            yield f"config.{name}: what its environment variable holds"
        else:
            yield f"config.{name}: {_short(before)} -> {_short(after)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
