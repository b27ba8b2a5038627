"""Source: the digest of a node's code, which is part of every key of its results, and tells workers apart.

It is that of the code *as this process has it*: the files of the class and of its own bases, and all that
these import of an author's own, however far. A helper decides results as the class does. Libraries are
left out: their code is too much to read, and a node that depends on one raises its `version` by hand.
Where no file speaks for the code (a notebook, a file edited since it was loaded), the code in memory does.

What decides a result but cannot be told in plain data raises `Uncacheable`, and the step is never cached.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from studio.node.closure import Closure, member
from studio.node.file_package import is_of_file
from studio.node.imports import reached
from studio.node.module_source import ModuleSource, served
from studio.node.modules import Found, Sight, edited, holds, installed, is_engine, lies_in, locate, stamp_of, token_of
from studio.node.node import Node
from studio.node.reading import Reading, read
from studio.paths import NODES
from studio.values.digest import of_data

__all__ = ["Code", "code_of", "outdated", "ran_as_told", "source_digest"]

_MOST_FOLLOWED = 64  # classes; cells of a notebook are run again and again
_NAME = f"source-3-{sys.version_info[0]}.{sys.version_info[1]}"  # syntax trees differ between versions of Python

# Gives what follows from a file's content, under a name: looked up by the file's stat, or made and remembered.
Memo = Callable[[Path, str, Callable[[], str]], str]


@dataclass(frozen=True)
class Code:
    """The code of a node, and how another process gets the same."""

    digest: str
    sources: tuple[ModuleSource, ...] = ()  # of the author's own modules, as they are here
    in_memory: frozenset[str] = frozenset()  # modules that are no longer what their files say
    by_name: bool = False  # whether the class is found by its name, where these sources are served


def source_digest(node: type[Node], memo: Memo) -> str:
    """The digest of all code of an author's own that a node is made of.

    memo: remembers what is read in a file for as long as the file stays as it is. Uncacheable says what
    decides results and cannot be digested: an open file closed over, a client in a notebook.
    """
    return code_of(node, memo).digest


def code_of(node: type[Node], memo: Memo) -> Code:
    """The code of a node as this process has it; Uncacheable as `source_digest`."""
    known = _known.get(node)
    if known is not None and known.holds():
        return known.code
    followed = _followed.get(node)
    if followed is not None and followed.holds():
        return followed.code
    lineage = [cls for cls in node.__mro__ if issubclass(cls, Node) and cls is not Node]
    files = _Files(memo, lineage)
    files.closure = closure = Closure(node.__name__, files)
    reloaded = known is not None and known.reloaded()
    if reloaded or not all(_in_its_file(cls, files) for cls in lineage):
        code = files.code(closure.of(node), by_name=False)
        closure.forget_values()
        if len(_followed) >= _MOST_FOLLOWED:
            _followed.clear()
        _followed[node] = _Followed(code, files.marks(), closure)
        return code
    names = [[cls.__qualname__, _bare(cls.__module__)] for cls in lineage]
    code = files.code(of_data([names, files.said([cls.__module__ for cls in lineage])]), by_name=True)
    if not code.in_memory:
        _known[node] = _Known(code, files.marks())
    return code


def outdated(nodes: Iterable[type[Node]]) -> list[str]:
    """What to tell of modules of these classes that were edited since this process loaded them."""
    names: set[str] = set()
    for node in nodes:
        known = _known.get(node)
        names |= {cls.__module__ for cls in node.__mro__}
        names |= {module.name for module in known.code.sources} if known else set()
    says = "was edited since this process loaded it, and what was loaded runs: a new process runs what it says now"
    return [f"'{name}' {says}" for name in sorted(names) if edited(name)]


def ran_as_told(node: type[Node]) -> bool:
    """Whether what a class has imported since its digest was taken is what that says: a file may be edited first."""
    known = _known.get(node)
    if known is None or not known.late:  # this is asked after each task
        return True
    late = [mark for mark in known.late if token_of(mark.name) is not None]
    return all(Sight.of(Found(mark.name, mark.file)).source is not None for mark in late)


@dataclass(frozen=True)
class _Known:
    """The code of a class that files speak for, and what would change with it."""

    code: Code
    marks: tuple[_Mark, ...]

    @cached_property
    def late(self) -> tuple[_Mark, ...]:
        """Those of modules that were not loaded yet, and whose files may be edited before they are."""
        return tuple(mark for mark in self.marks if mark.token is None and mark.stamp is not None)

    def holds(self) -> bool:
        """Whether nothing was loaded or replaced since, or edited that is not loaded."""
        return all(mark.holds() for mark in self.marks)

    def reloaded(self) -> bool:
        """Whether a module was loaded again: which parts of the class are of which loading, only memory can tell."""
        return any(mark.token is not None and token_of(mark.name) is not mark.token for mark in self.marks)


@dataclass(frozen=True)
class _Followed:
    """The code of a class that only memory speaks for."""

    code: Code
    marks: tuple[_Mark, ...]
    closure: Closure

    def holds(self) -> bool:
        """Whether all that was followed is as it was."""
        return self.closure.holds() and all(mark.holds() for mark in self.marks)


_known: weakref.WeakKeyDictionary[type[Node], _Known] = weakref.WeakKeyDictionary()
_followed: dict[type[Node], _Followed] = {}  # what was followed leads back to the class: no weak reference would end it


@dataclass(frozen=True)
class _Mark:
    """What changes when a module is loaded, or edited before it is."""

    name: str
    file: str
    token: object
    stamp: object

    @classmethod
    def of(cls, name: str, file: str) -> _Mark:
        """The mark of a module as it is now."""
        token, stamp = token_of(name), None
        if token is None and served(name) is None:
            with contextlib.suppress(OSError):
                stamp = stamp_of(file)
        return cls(name, file, token, stamp)

    def holds(self) -> bool:
        """Whether it is still the same: that is asked for each step of each run."""
        if token_of(self.name) is not self.token:
            return False
        if self.token is None and _Mark.of(self.name, self.file).stamp != self.stamp:
            return False
        return holds(self.name)


def _in_its_file(cls: type[Node], files: _Files) -> bool:
    """Whether a class is what the file of its module made under its name."""
    return files.in_file(cls.__module__) and member(cls.__module__, cls.__qualname__) is cls


@dataclass
class _Files:
    """What files say of the modules that some classes are made of."""

    memo: Memo
    lineage: Iterable[type[Node]]
    closure: Closure | None = None
    _found: dict[str, Found] = field(default_factory=dict)
    _said: dict[str, object] = field(default_factory=dict)
    _readings: dict[str, Reading] = field(default_factory=dict)
    _telling: list[str] = field(default_factory=list)
    _libraries: set[str] = field(default_factory=set)  # their first names

    def __post_init__(self) -> None:
        self._homes = tuple({_home(cls.__module__) for cls in self.lineage})

    def of_module(self, name: str) -> object:
        """What a module of the author's own and its imports say; None of any other."""
        if name not in self._said:
            self._said[name] = self.said([name]) if (found := self._find(name, None)) and found.file else None
        return self._said[name]

    def in_file(self, name: str) -> bool:
        """Whether an author's own module is, in memory, what its file said. A script that still runs is in no state."""
        if name == "__main__":
            return False
        found = self._find(name, None)
        return found is not None and bool(found.file) and Sight.of(found).source is not None

    def said(self, names: Iterable[str]) -> list[object]:
        """What these modules and their imports say, each under its name."""
        found = reached(names, self._find, self._reading)
        self._found |= found
        looks = any(self._reading(module).sees_text for module in found.values() if module.file)
        return [self._entry(module, looks) for _, module in sorted(found.items()) if module.file]

    def _entry(self, module: Found, looks: bool) -> list[object]:
        name = [_bare(module.name), bool(module.places)]
        if Sight.of(module).source is not None:
            reading = self._reading(module)
            return [*name, reading.text if looks else reading.tree]
        loaded = sys.modules.get(module.name)
        if module.name in self._telling or loaded is None or self.closure is None:
            return [*name, "in memory"]
        self._telling.append(module.name)
        try:
            return [*name, of_data(self.closure.contents(loaded))]
        finally:
            self._telling.pop()

    def code(self, digest: str, by_name: bool) -> Code:
        """The code of this digest, made of all modules that were asked of."""
        in_memory = {name for name, module in self._found.items() if module.file and Sight.of(module).source is None}
        sources = [self._source(module) for name, module in self._found.items() if name not in in_memory]
        return Code(digest, tuple(filter(None, sources)), frozenset(in_memory), by_name and not in_memory)

    def marks(self) -> tuple[_Mark, ...]:
        """One of each of the modules."""
        return tuple(_Mark.of(name, module.file) for name, module in self._found.items() if module.file)

    def _source(self, module: Found) -> ModuleSource | None:
        plain = module.file.endswith(".py") and Path(module.file).parent.is_dir()  # and in no archive
        if module.name == "__main__" or (module.file and not plain):
            return None
        loader = getattr(token_of(module.name), "loader", None)
        known = served(module.name) or getattr(loader, "module", None)
        if isinstance(known, ModuleSource):
            return known
        source = Sight.of(module).source if module.file else None
        folder = module.places[0] if module.places else ""
        return None if source is None else ModuleSource(module.name, module.file, folder, source)

    def _reading(self, module: Found) -> Reading:
        if module.name not in self._readings:
            self._readings[module.name] = self._read(module)
        return self._readings[module.name]

    def _read(self, module: Found) -> Reading:
        if not module.file:
            return read(b"")
        sight = Sight.of(module)
        if sight.source is None:  # its imports are at least near to those of what was loaded
            try:
                return read(Path(module.file).read_bytes())
            except OSError:
                return read(b"")
        source = sight.source
        if sight.stamp is not None and _unchanged(module.file, sight.stamp):
            return Reading.loads(self.memo(Path(lies_in(module.file)), _NAME, lambda: read(source).dumps()))
        return read(source)

    def _find(self, name: str, importer: Found | None) -> Found | None:
        """A module, if it is the author's own: no installation brought it, or it is of the package of a class."""
        told = served(importer.name) if importer is not None else None
        if told is not None and name.partition(".")[0] in told.beside:
            name = f"{told.home}.{name}"
        top = name.partition(".")[0]
        if top in self._libraries or is_engine(name):
            return None
        found = locate(name)
        if found is None or not (found.file or found.places):
            return None
        lies = [found.file] if found.file else found.places
        if (name + ".").startswith(self._homes) or not all(map(installed, lies)):
            return found
        if name == top and not any(home.startswith(f"{top}.") for home in self._homes):
            self._libraries.add(top)
        return None


def _unchanged(file: str, stamp: object) -> bool:
    try:
        return stamp_of(file) == stamp
    except OSError:
        return False


def _home(module: str) -> str:
    """The package whose modules all are of the author's own, as a beginning of names."""
    return f"{NODES}." if (module + ".").startswith(f"{NODES}.") else module.partition(".")[0] + "."


def _bare(module: str) -> str:
    """The name of a module, without what tells one loading of a node file from another."""
    return "." + module.partition(".")[2] if is_of_file(module) else module
