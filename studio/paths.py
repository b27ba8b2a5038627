"""Where the shipped nodes, graphs and command lie: beside the engine in a checkout, inside it in a wheel.

An installed wheel keeps them inside `studio`, because `nodes` and `cli` are far too common as
top-level names (see docs/decisions/0003). This module imports none of them.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["CLI", "GRAPHS", "NODES", "absolute", "find_graph", "graph_names", "state_folder"]

_ENGINE = Path(__file__).parent
_INSTALLED = (_ENGINE / "nodes").is_dir()

NODES = "studio.nodes" if _INSTALLED else "nodes"  # the package of the shipped nodes
CLI = "studio.cli" if _INSTALLED else "cli"  # the module of the command
GRAPHS = (_ENGINE if _INSTALLED else _ENGINE.parent) / "graphs"  # the folder of the shipped graphs


def absolute(path: str | Path = "") -> Path:
    """A path from the working folder of this moment on, `~` being the home: it means the same once these are others.

    As it is, if the working folder was deleted.
    """
    found = Path(os.path.expanduser(path))  # noqa: PTH111 the home of nobody stays as it is written
    try:
        return found.absolute()
    except FileNotFoundError:
        return found


def find_graph(name: str) -> Path:
    """The file a person means: a path as it is, or the bare name of a shipped graph."""
    path = Path(os.path.expanduser(name))  # noqa: PTH111 likewise
    shipped = GRAPHS / f"{name}.yaml"
    try:
        return shipped if not path.is_file() and path.name == name and shipped.is_file() else path
    except OSError:  # far too long a name
        return Path(f"{name[:40]}…")


def graph_names() -> list[str]:
    """The bare names of the shipped graphs."""
    return sorted(path.stem for path in GRAPHS.glob("*.yaml"))


def state_folder() -> Path:
    """$STUDIO_STATE, or the user's own state folder; it need not exist."""
    return absolute(os.environ.get("STUDIO_STATE") or platformdirs.user_state_path("icode-studio"))
