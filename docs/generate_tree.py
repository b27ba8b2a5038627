"""Renews the tree of README.md and the tables of docs/architecture.md, both from the first lines of files."""  # noqa: INP001

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
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


def wings() -> str:
    """A table for each wing, and one for what stands beside the wings: its files, and what each is."""
    engine = ROOT / "studio"
    folders = [path for room in _rooms() if (path := engine / room).is_dir()]
    tables = {folder.name: _table(folder, sorted(folder.rglob("*.py"))) for folder in folders}
    tables["beside the wings"] = _table(engine, sorted(engine.glob("*.py")))
    return "\n".join(f"### {name}\n\n| file | is |\n|---|---|\n{table}\n" for name, table in tables.items())


def renewed() -> dict[Path, str]:
    """The pages as they are to be."""
    return {README: _with(README, "tree", tree()), ARCHITECTURE: _with(ARCHITECTURE, "wings", wings())}


def floors() -> list[str]:
    """The floors of studio/, the top one first, as import-linter keeps them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (contract["layers"] for contract in contracts if contract["name"] == "The wings")
    return list(layers)


def _with(page: Path, place: str, text: str) -> str:
    """A page, with this text between `<!-- place -->` and `<!-- /place -->`."""
    between = re.compile(rf"(?<=<!-- {place} -->\n).*?(?=<!-- /{place} -->)", re.DOTALL)
    return between.sub(lambda _: text, page.read_text(encoding="utf-8"))


def _rooms() -> list[str]:
    """What stands above the ground, the top floor first."""
    return [room for floor in floors()[:-1] for room in floor.split(" | ") if room != "__main__"]


def _wings() -> list[tuple[str, str]]:
    ground = floors()[-1].replace(" | ", ", ")
    return [*map(_room, _rooms()), ("studio/", f"{ground}: the ground, which knows no word of the field")]


def _table(folder: Path, files: list[Path]) -> str:
    rows = {path.relative_to(folder): _first_line(path) for path in files if path.name != "__init__.py"}
    ordered = sorted(rows, key=lambda path: (len(path.parts), path))
    return "\n".join(f"| `{path.as_posix()}` | {rows[path]} |" for path in ordered)


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
    for page, text in renewed().items():
        page.write_text(text, encoding="utf-8")
