"""The digest of a node's source: what its code says, regardless of comments, layout and place.

What decides a result but cannot be told in plain data raises `Uncacheable`, and the step is never cached.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

from studio.digest import Uncacheable, canonical, of_data
from studio.node import Node

__all__ = ["source_digest"]

_DECLARED = {"version", "resources", "inline", "extra", "licence", "Config", "config", "device", "threads"}


def source_digest(node: type[Node]) -> str:
    """The digest of the files (or the class bodies) that a node and its own bases are written in."""
    lineage = [cls for cls in node.__mro__ if issubclass(cls, Node) and cls is not Node]
    return of_data([[cls.__qualname__, _written(cls), _made(cls)] for cls in lineage])


def _written(cls: type[Node]) -> list[str]:
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if module is not None and file and Path(file).exists():
        return [_file_digest(path, *_stamp(path)) for path in _with_neighbours(Path(file))]
    return [_class_digest(cls)]


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@functools.lru_cache(maxsize=4096)
def _parsed(path: Path, mtime: int, size: int) -> ast.Module:
    return ast.parse(path.read_bytes())


@functools.lru_cache(maxsize=4096)
def _file_digest(path: Path, mtime: int, size: int) -> str:
    return _tree_digest(_parsed(path, mtime, size))


def _tree_digest(tree: ast.AST) -> str:
    for part in ast.walk(tree):
        if isinstance(part, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _documented(part):
            part.body = part.body[1:] or [ast.Pass()]
    return of_data(ast.dump(tree))


def _documented(part: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first = part.body[0] if part.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _with_neighbours(file: Path) -> list[Path]:
    """The file, and those that it imports relatively: helpers that lie beside it."""
    found, pending = {file}, [file]
    while pending:
        file = pending.pop()
        for neighbour in _neighbours(file, *_stamp(file)):
            if neighbour not in found:
                found.add(neighbour)
                pending.append(neighbour)
    return sorted(found, key=lambda path: path.name)


@functools.lru_cache(maxsize=4096)
def _neighbours(file: Path, mtime: int, size: int) -> tuple[Path, ...]:
    return tuple(_imported_beside(file, _parsed(file, mtime, size)))


def _imported_beside(file: Path, tree: ast.Module) -> Iterator[Path]:
    for part in ast.walk(tree):
        if isinstance(part, ast.ImportFrom) and part.level:
            folder = file.parents[part.level - 1].joinpath(*(part.module or "").split("."))
            names = [folder / alias.name for alias in part.names]
            yield from (path for stem in (folder, *names) if (path := stem.with_suffix(".py")).is_file())


def _class_digest(cls: type[Node]) -> str:
    """For a class typed into a notebook: its body, and the plain globals and functions it uses."""
    try:
        body = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        raise Uncacheable(f"the source of {cls.__name__} cannot be found") from None
    return of_data([_tree_digest(ast.parse(body)), [_globals(function) for function in _functions(cls)]])


def _globals(function: FunctionType) -> list[list[object]]:
    used = sorted(set(function.__code__.co_names) & set(function.__globals__))
    return [[name, _global(function.__globals__[name])] for name in used]


def _global(value: object) -> object:
    if isinstance(value, FunctionType) and value.__module__ == "__main__":
        try:
            return _tree_digest(ast.parse(textwrap.dedent(inspect.getsource(value))))
        except OSError:
            raise Uncacheable(f"the source of {value.__name__} cannot be found") from None
    try:
        return canonical(value)
    except Uncacheable:
        return getattr(value, "__name__", type(value).__name__)


def _functions(cls: type) -> list[FunctionType]:
    return [part for part in vars(cls).values() if isinstance(part, FunctionType)]


def _made(cls: type[Node]) -> list[object]:
    """What a class made inside a function has beyond its source: values closed over, attributes set."""
    closed = [_closed_over(cls, function) for function in _functions(cls)]
    if "<locals>" not in cls.__qualname__:
        return closed
    attributes = {name: value for name, value in vars(cls).items() if not _by_source(name, value)}
    try:
        return [closed, canonical(attributes)]
    except Uncacheable as error:
        raise Uncacheable(
            f"{cls.__name__} is made inside a function and has attributes beyond plain data: {error}"
        ) from None


def _by_source(name: str, value: object) -> bool:
    return name.startswith("__") or name in _DECLARED or callable(value) or isinstance(value, classmethod | property)


def _closed_over(cls: type[Node], function: FunctionType) -> list[list[object]]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    return [[name, _cell(cls, name, cell.cell_contents)] for name, cell in cells if name != "__class__"]


def _cell(cls: type[Node], name: str, value: object) -> object:
    if isinstance(value, type):
        return value.__qualname__
    try:
        return canonical(value)
    except Uncacheable as error:
        raise Uncacheable(f"{cls.__name__} uses '{name}' of the function it is made in: {error}") from None
