"""ModuleSource: a module with the source that was read of it, so that this or another process loads just that.

A file may be edited between the moment at which its digest entered a key and the one at which it is
imported: later in a task, or in a worker's process. What is served from here stays as it was.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any

from studio.node.reading import parsed

__all__ = ["ModuleSource", "serve", "served"]


@dataclass(frozen=True)
class ModuleSource:
    """A module of an author's own."""

    name: str
    file: str  # where it lies; nothing for a folder that has no `__init__.py`
    folder: str  # of a package: where its modules lie
    source: bytes
    beside: tuple[str, ...] = ()  # names without dots that it imports absolutely, and that mean modules of its `home`
    home: str = ""  # the package of the folder of the node file that it was loaded for

    def as_list(self) -> list[Any]:
        """For a message."""
        return [self.name, self.file, self.folder, self.source, list(self.beside), self.home]

    @classmethod
    def of_list(cls, told: list[Any]) -> ModuleSource:
        """What `as_list` told."""
        name, file, folder, source, beside, home = told
        return cls(name, file, folder, source, tuple(beside), home)


def served(name: str) -> ModuleSource | None:
    """The module of this name whose source is served here."""
    return _finder().modules.get(name)


def serve(modules: Iterable[ModuleSource]) -> None:
    """From now on, imports of these modules load these sources."""
    _finder().modules.update({module.name: module for module in modules})


class _Finder(MetaPathFinder):
    """Comes before all others on `sys.meta_path`, once something is served."""

    def __init__(self) -> None:
        self.modules: dict[str, ModuleSource] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        module = self.modules.get(fullname)
        if module is None:
            return None
        places = [module.folder] if module.folder else None
        if module.file:
            loader = _Loader(module)
            return importlib.util.spec_from_file_location(
                fullname, module.file, loader=loader, submodule_search_locations=places
            )
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = places
        return spec


@functools.cache
def _finder() -> _Finder:
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    return finder


class _Loader(SourceFileLoader):
    """Loads a source that was read before. Bytecode that was kept of its file may be of another content."""

    def __init__(self, module: ModuleSource) -> None:
        super().__init__(module.name, module.file)
        self.module = module

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        raise OSError(path)

    def get_data(self, path: str) -> bytes:
        return self.module.source if path == self.path else super().get_data(path)

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:  # type: ignore[override]
        if self.module.beside:
            meant = _BesideImports(self.module.home, frozenset(self.module.beside)).visit(parsed(data))
            data = ast.fix_missing_locations(meant)
        return super().source_to_code(data, path)


class _BesideImports(ast.NodeTransformer):
    """Has `import words` mean the file beside: a script finds it so, and two folders may have files of one name."""

    def __init__(self, home: str, names: frozenset[str]) -> None:
        self._home, self._names = home, names

    def visit_ImportFrom(self, part: ast.ImportFrom) -> ast.AST:
        if part.level or (part.module or "").partition(".")[0] not in self._names:
            return part
        return ast.copy_location(ast.ImportFrom(f"{self._home}.{part.module}", part.names, 0), part)

    def visit_Import(self, part: ast.Import) -> list[ast.AST]:
        return [ast.copy_location(each, part) for alias in part.names for each in self._import(alias)]

    def _import(self, alias: ast.alias) -> list[ast.stmt]:
        top, _, rest = alias.name.partition(".")
        if top not in self._names:
            return [ast.Import([alias])]
        if alias.asname:
            above, _, last = f"{self._home}.{alias.name}".rpartition(".")
            return [ast.ImportFrom(above, [ast.alias(last, alias.asname)], 0)]
        found: list[ast.stmt] = [ast.ImportFrom(self._home, [ast.alias(top)], 0)]
        if rest:  # loads what lies deeper, too
            name: Any = ast.Constant(f"{self._home}.{alias.name}")
            found.append(ast.Expr(ast.Call(ast.Name("__import__", ast.Load()), [name], [])))
        return found
