"""Node and Port: a kind of work, its ports read from the signature of `run`. It knows no graph.

A node is one class. The parameters of its `run` are its input ports, what `run` returns its output
ports; its `Config` holds what stays the same from task to task; `setup` loads what is heavy, once a
worker. Nothing is registered: a graph names the class by where it lies.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from studio.node.resources import Resources
from studio.values import KINDS, PortType

__all__ = ["MEASURED", "Node", "NodeDefinitionError", "Port", "Ports", "ports_of", "seed_of"]

MEASURED = "_measured"  # the attribute of a node in which its measures wait for the worker

_KIND_OF: dict[object, str] = {kind.python: name for name, kind in KINDS.items()}
_KIND_OF |= {int: "number", list: "data"}


class NodeDefinitionError(Exception):
    """A node class whose ports cannot be read; its text says which and why."""


class Node:
    """A kind of work. Subclass it, give `run` typed parameters and a typed result.

    version: raise it by hand when results change for a reason that the source does not show.
    resources: what one worker asks for by default; a graph may say otherwise.
    inline: runs in the caller's own process, for work too small to send anywhere.
    extra: the optional extra that brings its libraries.  licence: of the weights it uses by default.
    """

    version: ClassVar[str] = ""
    resources: ClassVar[Resources] = Resources()
    inline: ClassVar[bool] = False
    extra: ClassVar[str] = ""
    licence: ClassVar[str] = ""

    class Config(BaseModel):
        """What stays the same from task to task; unknown keys are refused."""

        model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), populate_by_name=True)

    config: Any
    device: str = "cpu"  # "cpu" or "cuda"; with a share of a GPU, only that one is visible
    threads: int = 1  # CPU threads that libraries should use

    run: Callable[..., Any]
    # Where a node has it: takes the keyword arguments of several runs, returns what `run` would for each,
    # in order; an exception in place of a result fails that one alone.
    run_batch: Callable[..., list[Any]] | None = None

    @classmethod
    def identity(cls, config: Any, fingerprint: Callable[[Path], str]) -> object:
        """Plain data that tells these weights from all others, without loading them.

        `fingerprint(path)` is the content digest of a file or folder, remembered by stat. Raise
        ModelUnavailable where the weights are not here yet: the key is then made after `setup`.
        """
        return None

    @classmethod
    def repeatable(cls, config: Any) -> bool:
        """Whether equal inputs give equal outputs; False (sampling without a seed) is never cached."""
        return True

    @classmethod
    def draws(cls, config: Any) -> bool:
        """Whether it draws from the random generators of its process: those of `random`, `numpy` or `torch`.

        One that does is alone with them while it runs. They begin at `config.seed`, if that is set, with each task,
        and then no tasks are computed together.
        """
        return seed_of(config) is not None or not cls.repeatable(config)

    def setup(self) -> None:
        """Loads what is heavy onto `self.device`; called once a worker."""

    def measure(self, **numbers: Any) -> None:
        """Counts something of the task that runs: `self.measure(tokens=412)`. What is told again is added.

        It is shown beside the task's seconds, kept with its outputs, and added up over elements and rows. In
        `run_batch` a list gives each task of the batch its own number, or None where there is none, and a single number
        is shared out evenly.
        """
        vars(self).setdefault(MEASURED, []).append(numbers)


def seed_of(held: object) -> object:
    """The seed that a config holds: its field `seed`, or else the first in the models, dicts and lists inside it."""
    inside: Mapping[Any, object] = held if isinstance(held, Mapping) else {}
    if isinstance(held, BaseModel):
        inside = dict(held)
    elif is_dataclass(held):
        inside = {each.name: getattr(held, each.name) for each in fields(held)}
    elif isinstance(held, list | tuple):
        inside = dict(enumerate(held))
    if (own := inside.get("seed")) is not None:
        return own
    return next((seed for each in inside.values() if (seed := seed_of(each)) is not None), None)


@dataclass(frozen=True)
class Port:
    """A named, typed input or output of a node."""

    name: str
    type: PortType
    required: bool = True
    default: object = None

    def __str__(self) -> str:
        return f"{self.name} ({self.type})"


@dataclass(frozen=True)
class Ports:
    """All ports of a node; `free` is the type of further inputs, of any name (`**wires: str`)."""

    inputs: Mapping[str, Port] = field(default_factory=dict)
    outputs: Mapping[str, Port] = field(default_factory=dict)
    free: PortType | None = None
    named: bool = False  # whether `run` returns a NamedTuple

    def input(self, name: str) -> Port | None:
        """The input port of this name, one of the free ones included."""
        if name in self.inputs or self.free is None:
            return self.inputs.get(name)
        return Port(name, self.free)


def ports_of(node: type[Node]) -> Ports:
    """The ports that the signature of `run` declares; NodeDefinitionError says what is wrong with it."""
    found: Ports = _ports(node)  # type: ignore[arg-type]  # a class is hashable
    return found


@functools.cache
def _ports(node: Any) -> Ports:
    run = getattr(node, "run", None)
    if run is None:
        raise NodeDefinitionError(f"{node.__name__} has no method 'run'")
    hints = _hints(node, run)
    parameters = list(inspect.signature(run).parameters.values())[1:]
    wires = [p for p in parameters if p.kind is p.VAR_KEYWORD]
    inputs = {p.name: _input(node, p, hints) for p in parameters if p not in wires}
    if "return" not in hints:
        raise NodeDefinitionError(f"{node.__name__}.run says not what it returns: annotate it")
    outputs, named = _outputs(node, hints["return"])
    free = _type(node, wires[0].name, hints.get(wires[0].name)) if wires else None
    return Ports(inputs, outputs, free, named)


def _hints(node: type[Node], run: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(run)
    except (NameError, TypeError) as error:
        raise NodeDefinitionError(f"the annotations of {node.__name__}.run cannot be read: {error}") from None


def _input(node: type[Node], parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Port:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise NodeDefinitionError(f"{node.__name__}.run: '{parameter.name}' must be a named parameter")
    type_ = _type(node, parameter.name, hints.get(parameter.name))
    if parameter.default is not parameter.empty:
        return Port(parameter.name, type_, required=False, default=parameter.default)
    return Port(parameter.name, type_, required=not type_.optional)


def _outputs(node: type[Node], annotation: Any) -> tuple[dict[str, Port], bool]:
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        hints = _hints(node, annotation)
        names = annotation._fields
        return {name: Port(name, _type(node, name, hints[name])) for name in names}, True
    type_ = _type(node, "the result", annotation)
    return {type_.kind: Port(type_.kind, type_)}, False


def _type(node: type[Node], name: str, annotation: Any) -> PortType:
    """The port type that an annotation means: `str`, `list[Audio]`, `Image | None` …"""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [part for part in typing.get_args(annotation) if part is not type(None)]
        if len(inner) == 1 and len(typing.get_args(annotation)) == 2:
            return _type(node, name, inner[0]).maybe()
    if typing.get_origin(annotation) is list:
        (element,) = typing.get_args(annotation)
        return _type(node, name, element).listed()
    return PortType(_kind(node, name, annotation))


def _kind(node: type[Node], name: str, annotation: Any) -> str:
    kind = _KIND_OF.get(typing.get_origin(annotation) or annotation)
    if kind is None:
        what = "has no annotation" if annotation is None else f"is annotated {annotation!r}"
        known = "str, int, float, bool, dict, list, Audio, Image, Video, Boxes, Segments, Vector, File"
        raise NodeDefinitionError(
            f"{node.__name__}.run: '{name}' {what}; a port is one of {known}, list[…] or … | None"
        )
    return kind
