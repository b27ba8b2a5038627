"""Modules: where a module lies, whose it is, and what was loaded of it. Nothing is imported to find out.

The file of a loaded module may have been edited since. What this process loaded is known if it was
seen at the time, or if the file is older than the process; else only the code in memory can tell.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from studio.node.module_source import ModuleSource, serve, served
from studio.node.reading import read
from studio.paths import NODES

__all__ = [
    "Found",
    "Sight",
    "edited",
    "folder_in",
    "holds",
    "installed",
    "is_engine",
    "lies_in",
    "locate",
    "lying_in",
    "see",
    "serve_instead",
    "sighted",
    "stamp_of",
    "token_of",
]

Stamp = tuple[int, int, int, int, int]

_TICK = 0.01  # seconds: as exactly as Linux says when a process began


@dataclass(frozen=True)
class Found:
    """A module, loaded or not."""

    name: str
    file: str  # nothing if it has none: built in, typed in, or a folder without `__init__.py`
    places: tuple[str, ...] = ()  # of a package: where its modules lie


def locate(name: str) -> Found | None:
    """The module of this name, loaded or to be loaded; None if there is none."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return Found(name, _file(getattr(loaded, "__file__", None)), _places(getattr(loaded, "__path__", None)))
    if (module := served(name)) is not None:
        return Found(name, module.file, (module.folder,) if module.folder else ())
    parent = name.rpartition(".")[0]
    if not parent:
        return _found_by_finders(name, None)
    above = locate(parent)
    if above is None or not above.places:
        return None
    return lying_in(above.places, name) or _found_by_finders(name, above.places) or folder_in(above.places, name)


def lying_in(places: tuple[str, ...], name: str) -> Found | None:
    """A package or a file of the last of these names in one of these folders, as they are now."""
    last = name.rpartition(".")[2]
    for place in places:
        stem = os.path.join(place, last)  # noqa: PTH118  this is asked often
        if os.path.isfile(f"{stem}/__init__.py"):  # noqa: PTH113
            return Found(name, f"{stem}/__init__.py", (stem,))
        if os.path.isfile(f"{stem}.py"):  # noqa: PTH113
            return Found(name, f"{stem}.py")
    return None


def folder_in(places: tuple[str, ...], name: str) -> Found | None:
    """A package without `__init__.py` in these folders: finders see none where what it is in is not loaded."""
    folders = [os.path.join(place, name.rpartition(".")[2]) for place in places]  # noqa: PTH118
    found = tuple(folder for folder in folders if os.path.isdir(folder))  # noqa: PTH112
    return Found(name, "", found) if found else None


def _found_by_finders(name: str, places: tuple[str, ...] | None) -> Found | None:
    for finder in sys.meta_path:
        find: Any = getattr(finder, "find_spec", None)
        with contextlib.suppress(Exception):  # a finder of somebody's may expect its package to be loaded
            if find is not None and (spec := find(name, places)) is not None:
                file = _file(spec.origin) if spec.has_location else ""
                return Found(name, file, _places(spec.submodule_search_locations))
    return None


def _places(told: Any) -> tuple[str, ...]:
    """The folders of a package. Those of one without `__init__.py` are kept as they are: it would ask its parent."""
    return tuple(map(str, getattr(told, "_path", told) or ()))


def _file(told: object) -> str:
    return told if isinstance(told, str) else ""


def is_engine(name: str) -> bool:
    """Whether a module is part of the Studio. Shipped nodes are not, wherever they lie."""
    return (name + ".").startswith("studio.") and not (name + ".").startswith(f"{NODES}.")


@functools.lru_cache(maxsize=4096)
def installed(file: str) -> bool:
    """Whether an installation brought a file: Python itself, or a package installer."""
    parts = Path(file).parts
    return "site-packages" in parts or "dist-packages" in parts or os.path.realpath(file).startswith(_standard())


@functools.cache
def _standard() -> tuple[str, ...]:
    return tuple(os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib"))


# What was loaded ------------------------------------------------------------


@dataclass(frozen=True)
class Sight:
    """What was seen of a module: its source as this process has it, or as it would load it now."""

    token: object  # tells this loading of it from others; None if it was not loaded yet
    stamp: Stamp | None  # of its file
    source: bytes | None  # None if nobody can tell what was loaded
    defined: tuple[_Definition, ...] = ()  # by a loaded module, when it was seen first

    @classmethod
    def of(cls, found: Found, since: float | None = None) -> Sight:
        """The sight of a module, remembered for as long as it stays loaded.

        since: when loading it began, if it has just been loaded; a file younger than that may be another one.
        """
        token, known = token_of(found.name), _sights.get(found.name)
        if known is None or known.token is None or known.token is not token:
            known = cls._new(found, token, known, since)
            _sights[found.name] = known = replace(known, defined=_defined(found.name))
        return known if known.holds() else replace(known, source=None)

    def holds(self) -> bool:
        """Whether nobody has put another function or class in the place of one; a test does, and some tools."""
        for get, name, value, code in self.defined:
            if get(name) is not value or (code is not None and value.__code__ is not code):
                return False
        return True

    @classmethod
    def _new(cls, found: Found, token: object, known: Sight | None, since: float | None) -> Sight:
        module = served(found.name) if token is None else getattr(getattr(token, "loader", None), "module", None)
        if isinstance(module, ModuleSource):
            return cls(token, None, module.source)
        try:
            stamp, source = stamp_of(found.file), _bytes_of(found.file)
        except OSError:
            return cls(token, None, None)
        before = known is not None and known.token is None and known.stamp == stamp
        if token is not None and not before:
            begun = _began() if since is None else since
            if max(stamp[2:4]) > begun * 1e9 or _stale(token, stamp, source):
                return cls(token, stamp, None)
        return cls(token, stamp, source)


# Where a function or a class was put, under which name, and the code of a function.
_Definition = tuple[Callable[[str], Any], str, Any, CodeType | None]


def _defined(module: str) -> tuple[_Definition, ...]:
    """What a loaded module and its classes define. Its other variables are its own affair: it may well set them."""
    loaded = sys.modules.get(module)
    holders: list[Any] = [loaded] if hasattr(loaded, "__dict__") else []
    found: list[_Definition] = []
    for holder in holders:
        for name, value in list(vars(holder).items()):
            if issubclass(type(value), _DEFINED) and getattr(value, "__module__", module) == module:
                found.append((vars(holder).get, name, value, getattr(value, "__code__", None)))
                if isinstance(value, type) and not any(value is known for known in holders):
                    holders.append(value)
    return tuple(found)


_DEFINED = (type, FunctionType, classmethod, staticmethod, property)
_sights: dict[str, Sight] = {}  # by module: what was loaded cannot be asked of anything else


def token_of(name: str) -> object:
    """What tells one loading of a module from another (a reload); None if it is not loaded."""
    loaded = sys.modules.get(name)
    return None if loaded is None else getattr(loaded, "__spec__", None) or loaded


def stamp_of(file: str) -> Stamp:
    """What changes when a file does; OSError if it is not there."""
    stat = os.stat(lies_in(file))  # noqa: PTH116  this is asked often
    return stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_dev


def lies_in(file: str) -> str:
    """The file itself, or the archive that it lies in."""
    while not os.path.exists(file) and file != os.path.dirname(file):  # noqa: PTH110, PTH120
        file = os.path.dirname(file)  # noqa: PTH120
    if os.path.isdir(file):  # noqa: PTH112
        raise FileNotFoundError(file)
    return file


def _bytes_of(file: str) -> bytes:
    return Path(lies_in(file)).read_bytes()


@functools.cache
def _began() -> float:
    """When this process began, about: its interpreter needs longer to load the first file of an author's own."""
    try:
        ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")
        return time.time() - age + _TICK
    except (OSError, AttributeError, ValueError, IndexError):
        import psutil

        return float(psutil.Process().create_time())  # may be a second early: then the code in memory is looked at


def _stale(spec: Any, stamp: Stamp, source: bytes) -> bool:
    """Whether Python loaded bytecode that is not of this source, though it looks as old and as large."""
    cached = getattr(spec, "cached", None)
    try:
        if not cached or os.stat(cached).st_mtime_ns >= max(stamp[2:4]):  # noqa: PTH116
            return False
        head = Path(cached).read_bytes()[:16]
        looks = int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little")
        of_this = (int(stamp[2] / 1e9) & 0xFFFFFFFF, stamp[0] & 0xFFFFFFFF)
        if head[:4] != importlib.util.MAGIC_NUMBER or (head[4] == 0 and looks != of_this):
            return False  # it was not loaded
        kept = SourcelessFileLoader(spec.name, cached).get_code(spec.name)
        return bool(kept != SourceFileLoader(spec.name, spec.origin).source_to_code(source, spec.origin))
    except (OSError, ImportError, ValueError, EOFError, TypeError, SyntaxError, IndexError):
        return False


def serve_instead(modules: Iterable[ModuleSource]) -> None:
    """Has this process load these sources, also where it has loaded others of these modules before."""
    given = list(modules)
    loaded = [Found(each.name, each.file) for each in given if each.file and token_of(each.name) is not None]
    sources = {each.name: each.source for each in given}
    if any(Sight.of(module).source != sources[module.name] for module in loaded):
        for name in sources:
            sys.modules.pop(name, None)
    serve(given)


@contextlib.contextmanager
def sighted(name: str) -> Iterator[None]:
    """Sees what is loaded meanwhile of authors' own files, and of the package of this module."""
    before, began, package = set(sys.modules), time.time(), name.partition(".")[0]
    try:
        yield
    finally:
        for loaded in sys.modules.keys() - before:
            see(loaded, package, began)


def see(name: str, package: str, since: float | None = None) -> None:
    """Sees a loaded module as it is now, if it is of an author's own, or of this package."""
    file = _file(getattr(sys.modules.get(name), "__file__", None))
    if file.endswith(".py") and not is_engine(name) and (name.partition(".")[0] == package or not installed(file)):
        Sight.of(Found(name, file), since)


def holds(name: str) -> bool:
    """Whether a loaded module still defines what it did when it was seen first."""
    known = _sights.get(name)
    return known is None or known.holds()


def edited(name: str) -> bool:
    """Whether the file of a module says something else by now than what was loaded of it."""
    known = _sights.get(name)
    if known is None or known.token is None or known.token is not token_of(name) or known.stamp is None:
        return False
    found = locate(name)
    try:
        if found is None or stamp_of(found.file) == known.stamp:
            return False
        return known.source is None or read(_bytes_of(found.file)).tree != read(known.source).tree
    except OSError:
        return False
