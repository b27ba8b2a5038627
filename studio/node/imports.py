"""Imports: the modules that a module is made of: those it imports, and those these import, to the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

from studio.node.modules import Found
from studio.node.reading import Reading

__all__ = ["Find", "reached"]

Find = Callable[[str, Found | None], Found | None]  # by name and importer; None for what is none, or nobody's own


def reached(names: Iterable[str], find: Find, reading: Callable[[Found], Reading]) -> dict[str, Found]:
    """These modules, what they import however far, and the packages on the way. Nothing is imported for it."""
    found: dict[str, Found] = {}
    pending: list[tuple[str, Found | None]] = [(name, None) for name in names]
    seen: set[tuple[str, str]] = set()
    while pending:
        name, importer = pending.pop()
        asked = (name, importer.name if importer else "")
        if not name or asked in seen:
            continue
        seen.add(asked)
        module = find(name, importer)
        if module is None or module.name in found:
            continue
        found[module.name] = module
        pending.append((module.name.rpartition(".")[0], None))
        if module.file:
            pending += [(each, module) for each in _imported(module, find, reading)]
    return found


def _imported(module: Found, find: Find, reading: Callable[[Found], Reading]) -> Iterator[str]:
    """Names that a module imports; and names of what it takes from these, which may be modules."""
    said = reading(module)
    package = module.name if module.places else module.name.rpartition(".")[0]
    for level, name, parts in said.imports:
        above = package.split(".") if level else []
        if level > max(1, len(above)):
            continue  # beyond the top: importing it fails
        base = ".".join([*above[: len(above) - level + 1], *([name] if name else [])]) if level else name
        yield base
        starred = find(base, module) if "*" in parts else None
        exports = reading(starred).exports if starred is not None and starred.file else ()
        yield from (f"{base}.{part}" for part in (*parts, *exports) if part != "*")
        if starred is not None and "*" in exports:
            yield from _inside(starred.places, f"{starred.name}.")
    if said.open:
        beside = find(package, None) if package else Found("", "", (os.path.dirname(module.file),))  # noqa: PTH120
        yield from _within(beside.places if beside else (), f"{package}." if package else "")


def _within(places: Iterable[str], before: str, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """All modules of a package, and of the packages in it: any of them may be imported by a name made at run time."""
    real = {os.path.realpath(place) for place in places}
    if not real.isdisjoint(above):
        return  # a link leads round in a circle
    for name in _inside(places, before):
        yield name
        yield from _within([f"{place}/{name.rpartition('.')[2]}" for place in places], f"{name}.", above | real)


def _inside(places: Iterable[str], before: str) -> Iterator[str]:
    """The names of the modules in folders, and of folders that may be packages."""
    names: set[str] = set()
    for place in places:
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            names |= {
                entry.name.removesuffix(".py") for entry in entries if entry.name.endswith(".py") or entry.is_dir()
            }
    yield from (before + name for name in sorted(names) if name.isidentifier() and not name.startswith("__"))
