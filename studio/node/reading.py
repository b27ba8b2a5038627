"""Reading: what the source of a module says, and what it imports, told by its text alone.

The syntax tree is digested, and not the text: a comment, a docstring or a formatter must not send
models of hours to work again. Only code that looks at its own text counts by its text.
"""

from __future__ import annotations

import ast
import functools
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import resolve_name
from typing import Any

from studio.values.digest import of_bytes, of_data

__all__ = ["Import", "Reading", "bare", "parsed", "read"]

_PARSING = threading.Lock()  # CPython 3.11 counts the depth of all threads' trees together, and then raises SystemError
_OWN_TEXT = {"__doc__", "getdoc", "getcomments", "getsource", "getsourcelines", "f_lineno", "co_firstlineno"}
_OWN_TEXT |= {"extract_stack", "extract_tb", "getframeinfo", "tb_lineno"}
# Names by which code is found that no import statement names.
_AT_RUN_TIME = {"__import__", "import_module", "iter_modules", "walk_packages", "run_path", "run_module", "exec"}
_AT_RUN_TIME |= {"spec_from_file_location", "SourceFileLoader", "find_spec"}

Import = tuple[int, str, tuple[str, ...]]  # dots before it, the module, and names taken from it, each perhaps a module


@dataclass(frozen=True)
class Reading:
    """What a source says (`tree`, `text`: digests), and what follows from it for its imports."""

    tree: str
    text: str
    imports: tuple[Import, ...] = ()
    exports: tuple[str, ...] = ()  # what `__all__` names, which a star takes; a star: it is made at run time
    open: bool = False  # whether it imports by names that are made at run time
    sees_text: bool = False  # whether it looks at docstrings, sources or line numbers

    def dumps(self) -> str:
        """As a text, to be remembered."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Reading:
        """What `dumps` told."""
        told: dict[str, Any] = json.loads(text)
        imports = tuple((level, module, tuple(names)) for level, module, names in told.pop("imports"))
        return cls(**told | {"imports": imports, "exports": tuple(told["exports"])})


@functools.lru_cache(maxsize=512)
def read(source: bytes) -> Reading:
    """Reads a source; one that is no Python, or nested too deeply, counts by its text and imports nothing."""
    text = of_bytes(source)
    try:
        tree = parsed(source)
        imports, exports = tuple(sorted(set(_imports(tree)))), tuple(sorted(set(_exports(tree))))
        words = {word for part in ast.walk(tree) for word in _words(part)}
        found = Reading("", text, imports, exports, _opens(tree), bool(words & _OWN_TEXT))
        return Reading(**vars(found) | {"tree": of_data(ast.dump(bare(tree)))})
    except (SyntaxError, ValueError, ImportError, RecursionError, MemoryError):
        return Reading(text, text)


def parsed(source: str | bytes) -> ast.Module:
    """The syntax tree of a source, in one thread at a time."""
    with _PARSING:
        return ast.parse(source)


def bare(tree: ast.Module) -> ast.Module:
    """The tree without its docstrings; an emptied body gets `pass`, or it would be no tree."""
    for part in ast.walk(tree):
        if isinstance(part, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _documented(part):
            part.body = part.body[1:] or [ast.Pass()]
    return tree


def _documented(part: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first = part.body[0] if part.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _imports(tree: ast.Module) -> Iterator[Import]:
    """Imports anywhere in a source, and the attributes asked of what they bring, which may be modules, too."""
    brought: dict[str, Import] = {}
    for part in ast.walk(tree):
        if isinstance(part, ast.Import):
            for alias in part.names:
                yield 0, alias.name, ()
                top = alias.name if alias.asname else alias.name.partition(".")[0]
                brought[alias.asname or top] = (0, top, ())
        elif isinstance(part, ast.ImportFrom):
            yield part.level, part.module or "", tuple(alias.name for alias in part.names)
            stem = f"{part.module}." if part.module else ""
            brought |= {alias.asname or alias.name: (part.level, stem + alias.name, ()) for alias in part.names}
        elif isinstance(part, ast.Call) and (named := _literal_import(part)):
            yield named
    for part in ast.walk(tree):
        if isinstance(part, ast.Attribute) and (chain := _chain(part)) and chain[0] in brought:
            level, module, _ = brought[chain[0]]
            yield level, ".".join([module, *chain[1:-1]]), (chain[-1],)


def _literal_import(call: ast.Call) -> Import | None:
    """What `import_module("a.b")` imports, or `__import__("a", fromlist=["b"])`."""
    name, taken = call.args[0] if call.args else None, _taken(call)
    if _called(call) not in ("import_module", "__import__") or taken is None:
        return None
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return None
    of = call.args[1] if len(call.args) > 1 else None
    if isinstance(of, ast.Constant) and isinstance(of.value, str) and name.value.startswith("."):
        return 0, resolve_name(name.value, of.value), ()
    module = name.value.lstrip(".")
    return len(name.value) - len(module), module, taken


def _taken(call: ast.Call) -> tuple[str, ...] | None:
    """The names that a call of `__import__` takes from its module; None if they are made at run time."""
    given = [*call.args[3:4], *(each.value for each in call.keywords if each.arg in ("fromlist", None))]
    parts = given[0].elts if given and isinstance(given[0], ast.List | ast.Tuple) else given
    names = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return tuple(names) if len(names) == len(parts) else None


def _opens(tree: ast.Module) -> bool:
    """Whether it finds code by names that are not written in it."""
    literal = {id(part.func) for part in ast.walk(tree) if isinstance(part, ast.Call) and _literal_import(part)}
    return any(_finds_code(part) for part in ast.walk(tree) if id(part) not in literal)


def _finds_code(part: ast.AST) -> bool:
    if isinstance(part, ast.ImportFrom):  # under its own name it is seen where it is used
        return any(alias.asname and alias.name in _AT_RUN_TIME for alias in part.names)
    return not _AT_RUN_TIME.isdisjoint(_words(part))


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


def _chain(part: ast.expr) -> list[str]:
    """The names of `a.b.c`; nothing of what does not begin with a name."""
    names: list[str] = []
    while isinstance(part, ast.Attribute):
        names.append(part.attr)
        part = part.value
    return [part.id, *reversed(names)] if isinstance(part, ast.Name) else []


def _exports(tree: ast.Module) -> Iterator[str]:
    for part in ast.walk(tree):
        if isinstance(part, ast.Assign | ast.AugAssign | ast.AnnAssign) and part.value is not None:
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                yield from _listed(part.value)
        elif isinstance(part, ast.Call) and _chain(part.func)[:1] == ["__all__"]:  # `__all__.append("a")`
            for value in part.args:
                yield from _listed(value)


def _listed(value: ast.expr) -> Iterator[str]:
    for part in ast.walk(value):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value
        elif isinstance(part, ast.Name | ast.Call):
            yield "*"


def _words(part: ast.AST) -> Iterator[str]:
    """Names, attributes and literal strings, as in `getattr(it, "__doc__")`."""
    if isinstance(part, ast.Name):
        yield part.id
    elif isinstance(part, ast.Attribute):
        yield part.attr
    elif isinstance(part, ast.Constant) and isinstance(part.value, str):
        yield part.value
    elif isinstance(part, ast.ImportFrom):
        yield from (alias.name for alias in part.names)
