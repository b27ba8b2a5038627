"""Registry: names to Node classes. A name is a path; nothing is registered and nothing is global.

`asr.whisper` is the node in the module `asr/whisper.py` of the shipped nodes, `pkg.module:Class` a
class that Python can import, `./file.py:Class` one in a file beside the graph, and a bare class name
one that the caller passed in. A path that ends in .yaml, and the bare name of a shipped graph, mean a
graph inside the graph.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from studio.errors import did_you_mean
from studio.node.file_package import in_plain, load_file
from studio.node.modules import see, sighted
from studio.node.node import Node, NodeDefinitionError, ports_of
from studio.paths import GRAPHS, NODES, absolute, graph_names

__all__ = ["Definition", "NoSuchNode", "Registry"]


class NoSuchNode(Exception):
    """A name that leads to no node class; `hint` says what would."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Definition:
    """A node class under the name that enters keys; `portable` if every Python here can import it."""

    name: str
    node: type[Node]
    portable: bool = True


class Registry:
    """Finds node classes by name: the shipped ones, the caller's own, and those in files."""

    def __init__(self, own: Iterable[type[Node]] = (), folder: Path | None = None, package: str = NODES) -> None:
        self._own = {node.__name__: node for node in own}
        self._folder = absolute(folder or Path())
        self._package = package

    def find(self, use: str) -> Definition:
        """The node that a graph names; NoSuchNode says why there is none."""
        definition = self._find(use)
        try:
            ports_of(definition.node)
        except NodeDefinitionError as error:
            raise NoSuchNode(f"'{use}' is not a usable node: {error}") from None
        return definition

    def graph(self, use: str) -> Path | None:
        """The file of the graph that is meant, if one is; NoSuchNode if it is not there."""
        if use in self._own:
            return None
        path = GRAPHS / f"{use}.yaml" if use in graph_names() else self._folder / use
        if use.endswith((".yaml", ".yml")) and not path.is_file():
            raise NoSuchNode(f"there is no file '{use}'", f"Looked for {path.absolute()}.")
        return path if path.suffix in (".yaml", ".yml") else None

    def within(self, folder: Path) -> Registry:
        """The same, for a graph in another folder."""
        return Registry(self._own.values(), folder, self._package)

    def names(self) -> list[str]:
        """The names of the shipped nodes and of the caller's own, without importing any."""
        return sorted(self._shipped) + sorted(self._own)

    @property
    def own(self) -> list[type[Node]]:
        """The classes that the caller passed in."""
        return list(self._own.values())

    def _find(self, use: str) -> Definition:
        if use in self._own:
            node = self._own[use]
            return Definition(node.__qualname__, node, portable=False)
        place, colon, name = use.partition(":")
        if colon and place.endswith(".py"):
            return Definition(name, _class_in(self._file_module(place), name, use), portable=False)
        if colon:
            return Definition(use, _class_in(_imported(place, use), name, use))
        if use in self._shipped:
            return Definition(use, _only_node(_imported(f"{self._package}.{use}", use), use))
        raise NoSuchNode(f"there is no node '{use}'", self._nearest(use))

    @cached_property
    def _shipped(self) -> set[str]:
        spec = importlib.util.find_spec(self._package)
        folders = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
        files = [(folder, file) for folder in folders for file in folder.rglob("*.py")]
        relative = [file.relative_to(folder).with_suffix("").parts for folder, file in files]
        return {".".join(parts) for parts in relative if not any(part.startswith("_") for part in parts)}

    def _nearest(self, use: str) -> str:
        names = [*self.names(), *graph_names()]
        last = use.rpartition(".")[2].lower()
        inside = [name for name in names if last and last in name.lower()]
        return (
            did_you_mean(use, names)
            or (f"Did you mean '{inside[0]}'?" if inside else "")
            or (f"Nodes: {', '.join(self.names())}. A node of your own: ./file.py:Class")
        )

    def _file_module(self, place: str) -> ModuleType:
        try:
            path = (self._folder / place).resolve()
            found = path.is_file()
        except (OSError, ValueError) as error:
            raise NoSuchNode(f"{place!r} is no path: {error}") from None
        if not found:
            raise NoSuchNode(f"there is no file '{place}'", f"Looked for {path}.")
        try:
            return load_file(path)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            what = in_plain(f"{type(error).__name__}: {error}")
            raise NoSuchNode(f"'{place}' cannot be loaded: {what}") from None


def _imported(module: str, use: str) -> ModuleType:
    try:
        if sys.modules.get(module) is not None:
            see(module, module.partition(".")[0])
            return sys.modules[module]
        with sighted(module):
            return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise NoSuchNode(f"'{use}' cannot be imported: {type(error).__name__}: {error}") from None


def _class_in(module: ModuleType, name: str, use: str) -> type[Node]:
    found = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, Node):
        return found
    nodes = [key for key, value in vars(module).items() if _is_node_of(value, module)]
    if found is not None:
        raise NoSuchNode(
            f"'{use}': {name} is no subclass of studio.Node", f"Nodes there: {', '.join(nodes) or 'none'}."
        )
    hint = did_you_mean(name, nodes) or f"Nodes there: {', '.join(nodes) or 'none'}."
    raise NoSuchNode(f"'{use}': there is no class '{name}' in it", hint)


def _only_node(module: ModuleType, use: str) -> type[Node]:
    nodes = [value for value in vars(module).values() if _is_node_of(value, module)]
    if len(nodes) != 1:
        raise NoSuchNode(f"the module of '{use}' holds {len(nodes)} nodes, where one is expected")
    found: type[Node] = nodes[0]
    return found


def _is_node_of(value: object, module: ModuleType) -> bool:
    return isinstance(value, type) and issubclass(value, Node) and value.__module__ == module.__name__
