"""Renews the tree in README.md from the first lines of the files: `python docs/generate_tree.py`."""  # noqa: INP001

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
_PLACE = re.compile(r"(?<=<!-- tree -->\n).*?(?=<!-- /tree -->)", re.DOTALL)
_TOP = {
    "nodes": "one node a file, its path its name",
    "graphs": "one graph a file, each with the command that runs it",
    "tests": "one test a noun, contract suites for what can be added",
    "benchmarks": "what the engine adds to the models' own time",
    "docs": "these pages, and decisions/",
}


def tree() -> str:
    """The tree as a code block."""
    engine = [(f"studio/{name}", text) for name, text in _files(ROOT / "studio")]
    top = [("cli.py", _first_line(ROOT / "cli.py"))]
    top += [(f"{name}/", text) for name, text in _TOP.items() if (ROOT / name).is_dir()]
    rows = [*engine, *top]
    width = max(len(name) for name, _ in rows)
    return "```text\n" + "\n".join(f"{name:<{width}}  {text}" for name, text in rows) + "\n```\n"


def renewed() -> str:
    """README.md with the tree as it is now."""
    return _PLACE.sub(lambda _: tree(), README.read_text(encoding="utf-8"))


def _files(folder: Path) -> list[tuple[str, str]]:
    files = [(path.name, _first_line(path)) for path in folder.glob("*.py") if path.name != "__init__.py"]
    folders = [(f"{path.parent.name}/", _first_line(path)) for path in folder.glob("*/__init__.py")]
    return sorted(files) + sorted(folders)


def _first_line(path: Path) -> str:
    """The first sentence of a file's docstring."""
    words = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return re.split(r"(?<=[a-z`])\. ", " ".join(words.split()))[0].rstrip(".")


if __name__ == "__main__":
    README.write_text(renewed(), encoding="utf-8")
