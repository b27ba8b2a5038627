"""Renews the tree in README.md from the floors and the first lines of the wings: `python docs/generate_tree.py`."""  # noqa: INP001

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
_PLACE = re.compile(r"(?<=<!-- tree -->\n).*?(?=<!-- /tree -->)", re.DOTALL)
_TOP = {
    "cli.py": "the command `studio`; what it can do lies in studio/commands",
    "nodes/": "one node a file; its path is its name",
    "graphs/": "one graph a file, each with the command that runs it",
    "tests/": "one folder a wing; benchmarks/ measures what the engine adds to the models' own time",
    "docs/": "these pages, and decisions/",
}


def tree() -> str:
    """The tree as a code block: the wings from the top floor down, then what lies beside the engine."""
    rows = [*_wings(), *_TOP.items()]
    width = max(len(name) for name, _ in rows)
    return "```text\n" + "\n".join(f"{name:<{width}}  {text}" for name, text in rows) + "\n```\n"


def renewed() -> str:
    """README.md with the tree as it is now."""
    return _PLACE.sub(lambda _: tree(), README.read_text(encoding="utf-8"))


def floors() -> list[str]:
    """The floors of studio/, the top one first, as import-linter keeps them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (contract["layers"] for contract in contracts if contract["name"] == "The wings")
    return list(layers)


def _wings() -> list[tuple[str, str]]:
    *above, ground = floors()
    rooms = [room for floor in above for room in floor.split(" | ") if room != "__main__"]
    return [
        *map(_room, rooms),
        ("studio/", f"{ground.replace(' | ', ', ')}: the ground, which knows no word of the field"),
    ]


def _room(name: str) -> tuple[str, str]:
    folder = ROOT / "studio" / name
    if folder.is_dir():
        return f"studio/{name}/", _first_line(folder / "__init__.py")
    return f"studio/{name}.py", _first_line(folder.with_suffix(".py"))


def _first_line(path: Path) -> str:
    """The first sentences of a file's docstring."""
    words = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return " ".join(words.split()).rstrip(".")


if __name__ == "__main__":
    README.write_text(renewed(), encoding="utf-8")
