"""FilePackage: the folder of a node file as a package, made of the files that the node file imports.

So `from . import helper` works in a node file, and two folders' helpers of one name stay apart. Its
name tells its content: a file that was edited, or a helper of it, is loaded anew, and what was loaded
before stays as it was, imports inside of functions included.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path
from types import ModuleType

from studio.node.imports import reached
from studio.node.module_source import ModuleSource, serve
from studio.node.modules import Found, folder_in, installed, is_engine, locate, lying_in, sighted
from studio.node.reading import Reading, read
from studio.values.digest import of_data

__all__ = ["in_plain", "is_of_file", "load_file"]

_PREFIX = "studio_file_"


def is_of_file(module: str) -> bool:
    """Whether a module was loaded for a node file."""
    return module.startswith(_PREFIX)


def in_plain(text: str) -> str:
    """A message, with the modules of node files named as the files name them: `.helper`."""
    return re.sub(rf"{_PREFIX}[0-9a-f]+", "", text)


def load_file(path: Path) -> ModuleType:
    """The module of a node file as it is now; raises what its code raises."""
    package = _FilePackage(path)
    while package.goes_above():
        package = _FilePackage(path, package.root.parent)
    modules = package.modules()
    name = package.entry.replace(_PREFIX, modules[0].name.partition(".")[0], 1)
    serve(modules)
    try:
        with sighted(name):
            return importlib.import_module(name)
    except BaseException:
        top = name.partition(".")[0]
        for loaded in [each for each in sys.modules if each == top or each.startswith(f"{top}.")]:
            del sys.modules[loaded]
        raise


class _FilePackage:
    """What a node file is made of. Names begin with the bare prefix, until their content is known."""

    def __init__(self, path: Path, root: Path | None = None) -> None:
        """The root is the folder that is its top: by itself the highest that says that it is a package."""
        root = root or path.parent
        while (root / "__init__.py").is_file() and "." not in root.name and (root.parent / "__init__.py").is_file():
            root = root.parent
        inside = path.parent.relative_to(root).parts
        self.root, self._home = root, ".".join([_PREFIX, *inside])
        self.entry = self._home if path.stem == "__init__" else f"{self._home}.{path.stem.replace('.', '_')}"
        self._file = str(path)
        self._sources: dict[str, bytes] = {}
        self._absolute: dict[str, bool] = {}

    def goes_above(self) -> bool:
        """Whether something in it is imported relatively from above its root, where there could be something."""
        found = reached([self.entry], self._find, self._reading).values()
        deep = {module.name: module.name.count(".") + bool(module.places) for module in found}
        wanted = [level > deep[module.name] for module in found for level, _, _ in self._reading(module).imports]
        return any(wanted) and "." not in self.root.name and self.root != self.root.parent

    def modules(self) -> list[ModuleSource]:
        """The modules of the package, under names that tell their content."""
        found = sorted(reached([self.entry], self._find, self._reading).values(), key=lambda module: module.name)
        beside = {module.name: self._beside(module) for module in found}
        content = [[module.name, self._source(module), beside[module.name]] for module in found]
        named = _PREFIX + of_data([os.fsencode(self._file), content])[:16]
        return [
            ModuleSource(
                module.name.replace(_PREFIX, named, 1),
                module.file,
                module.places[0] if module.places else "",
                self._source(module),
                tuple(beside[module.name]),
                self._home.replace(_PREFIX, named, 1),
            )
            for module in found
        ]

    def _find(self, name: str, importer: Found | None) -> Found | None:
        if name.partition(".")[0] == _PREFIX:
            return self._inside(name)
        if importer is not None and self._means_beside(name.partition(".")[0]):
            return self._inside(f"{self._home}.{name}")
        return None

    def _inside(self, name: str) -> Found | None:
        if name == self.entry:
            return Found(
                name, self._file, (str(Path(self._file).parent),) if self._file.endswith("/__init__.py") else ()
            )
        if name == _PREFIX:
            init = self.root / "__init__.py"
            return Found(name, str(init) if init.is_file() else "", (str(self.root),))
        folder = (str(self.root.joinpath(*name.split(".")[1:-1])),)
        return lying_in(folder, name) or folder_in(folder, name)

    def _means_beside(self, top: str) -> bool:
        """Whether an absolute import means what lies beside: if no installation brought something of that name."""
        if top not in self._absolute:
            beside = self._inside(f"{self._home}.{top}")
            known = locate(top) if beside else None
            hidden = known is not None and known.file and (installed(known.file) or not (beside and beside.file))
            built_in = top in sys.stdlib_module_names or is_engine(top)
            self._absolute[top] = beside is not None and not built_in and not hidden
        return self._absolute[top]

    def _beside(self, module: Found) -> list[str]:
        absolute = {name.partition(".")[0] for level, name, _ in self._reading(module).imports if not level}
        return sorted(top for top in absolute if self._means_beside(top))

    def _reading(self, module: Found) -> Reading:
        return read(self._source(module))

    def _source(self, module: Found) -> bytes:
        if module.name not in self._sources:
            self._sources[module.name] = Path(module.file).read_bytes() if module.file else b""
        return self._sources[module.name]
