"""Source: the digest of a node's code, which is part of every key of its results.

The syntax tree is digested, and not the text: a comment, a docstring or a formatter must not send
models of hours to work again. It is the tree of the whole file, and of those that it imports relatively,
and not of the class alone: a helper beside the class decides results as the class does. Libraries are
left out: their code is too much to read, and a node that depends on one raises its `version` by hand.

What decides a result but cannot be told in plain data raises `Uncacheable`, and the step is never cached.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

from studio.node.node import Node
from studio.values.digest import Uncacheable, canonical, of_data

__all__ = ["parsed", "source_digest"]

_NAME = f"source-1-{sys.version_info[0]}.{sys.version_info[1]}"  # syntax trees differ between versions of Python
_DECLARED = {"version", "resources", "inline", "extra", "licence", "Config", "config", "device", "threads"}
_PARSING = threading.Lock()  # CPython 3.11 counts the depth of all threads' trees together, and then raises SystemError

# Gives what follows from a file's content, under a name: looked up by the file's stat, or made and remembered.
Memo = Callable[[Path, str, Callable[[], str]], str]


def source_digest(node: type[Node], memo: Memo) -> str:
    """The digest of the files (or the class bodies) that a node and its own bases are written in.

    memo: remembers the digest of a file for as long as the file stays as it is. Uncacheable says what
    decides results and cannot be digested: a class typed into a prompt, an open file closed over.
    """
    lineage = [cls for cls in node.__mro__ if issubclass(cls, Node) and cls is not Node]
    return of_data([[cls.__qualname__, _written(cls, memo), _made(cls)] for cls in lineage])


def _written(cls: type[Node], memo: Memo) -> list[str]:
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if module is not None and file and Path(file).exists():
        return _with_neighbours(Path(file), memo)
    return [_class_digest(cls)]


def _with_neighbours(file: Path, memo: Memo) -> list[str]:
    """The digests of a file, and of those that it imports relatively: helpers that lie beside it."""
    digests: dict[Path, str] = {}
    pending = [file]
    while pending:
        path = pending.pop()
        if path not in digests:
            digests[path], *beside = memo(path, _NAME, lambda path=path: _read(path)).split("\n")  # type: ignore[misc]
            pending += [found for name in beside if (found := (path.parent / name).resolve()).is_file()]
    return [digest for _, digest in sorted((path.name, digest) for path, digest in digests.items())]


def _read(file: Path) -> str:
    return _said(file.read_bytes())


@functools.lru_cache(maxsize=256)
def _said(source: bytes) -> str:
    """The digest of what a file says; below it, the files that it may import relatively."""
    tree = parsed(source)
    return "\n".join([_tree_digest(tree), *sorted(set(_beside(tree)))])


def parsed(source: str | bytes) -> ast.Module:
    """The syntax tree of a source, in one thread at a time."""
    with _PARSING:
        return ast.parse(source)


def _beside(tree: ast.Module) -> Iterator[str]:
    for part in ast.walk(tree):
        if isinstance(part, ast.ImportFrom) and part.level:
            stem = "/".join([".."] * (part.level - 1) + (part.module or "").split("."))
            yield from (f"{stem}.py", *(f"{stem}/{alias.name}.py" for alias in part.names))


def _tree_digest(tree: ast.AST) -> str:
    """The digest of a tree without its docstrings; an emptied body gets `pass`, or it would be no tree."""
    for part in ast.walk(tree):
        if isinstance(part, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _documented(part):
            part.body = part.body[1:] or [ast.Pass()]
    return of_data(ast.dump(tree))


def _documented(part: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first = part.body[0] if part.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _class_digest(cls: type[Node]) -> str:
    """For a class typed into a notebook: its functions, and the plain globals and functions these use."""
    functions = [*_functions(cls), *_functions(cls.Config)] if "Config" in vars(cls) else _functions(cls)
    attributes = {name: value for name, value in vars(cls).items() if not _by_source(name, value)}
    bodies = [[function.__qualname__, _function_digest(function), _globals(function)] for function in functions]
    return of_data([bodies, canonical(attributes)])


def _function_digest(function: FunctionType) -> str:
    try:
        return _tree_digest(parsed(textwrap.dedent(inspect.getsource(function))))
    except (OSError, TypeError, SyntaxError):
        raise Uncacheable(f"the source of {function.__qualname__} cannot be found") from None


def _globals(function: FunctionType) -> list[list[object]]:
    used = sorted(set(function.__code__.co_names) & set(function.__globals__))
    return [[name, _global(function.__globals__[name])] for name in used]


def _global(value: object) -> object:
    if isinstance(value, FunctionType) and value.__module__ == "__main__":
        return _function_digest(value)
    try:
        return canonical(value)
    except Uncacheable:
        return getattr(value, "__name__", type(value).__name__)


def _functions(cls: type) -> list[FunctionType]:
    parts = [getattr(part, "__func__", part) for part in vars(cls).values()]  # of class methods, what they wrap
    return [part for part in parts if isinstance(part, FunctionType)]


def _made(cls: type[Node]) -> list[object]:
    """What a class made inside a function has beyond its source: values closed over, attributes set."""
    closed = [_closed_over(cls, function) for function in _functions(cls)]
    if "<locals>" not in cls.__qualname__:
        return list(closed)
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
