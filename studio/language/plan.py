"""Plan: a graph bound to nodes, wired, typed, acyclic, frozen: all that a run knows of a graph. The binder makes it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, assert_never

from pydantic import BaseModel, ValidationError

from studio.errors import InputError, MissingVariable, Problem
from studio.language.condition import Condition
from studio.node.node import Ports, ports_of
from studio.node.registry import Definition
from studio.node.resources import Resources
from studio.values import PortType

__all__ = [
    "Edge",
    "GraphInput",
    "Guard",
    "Plan",
    "Relay",
    "Scope",
    "Source",
    "Step",
    "filled",
    "origins",
    "variables_in",
]

_VARIABLE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")

Scope = Literal["item", "dataset"]  # whether a step runs for each row of a data set, or once over all of them
Form = Literal["one", "many", "first", "filled", "rows"]  # of an edge


@dataclass(frozen=True)
class Source:
    """One end of an edge: an output port of a step, or (with no port) an input of the graph."""

    name: str
    port: str = ""

    def __str__(self) -> str:
        return f"{self.name}.{self.port}" if self.port else self.name


@dataclass(frozen=True)
class Edge:
    """Where an input comes from: one source, several gathered into a list, the first that is there, or all rows.

    What is filled is a list, and another source that stands in for each item of it that is absent.
    holed: whether what is absent stands in the list that is gathered, and does not make it absent as a whole.
    """

    sources: tuple[Source, ...]
    form: Form = "one"
    holed: bool = False

    def __str__(self) -> str:
        return self.worded(map(str, self.sources))

    def worded(self, names: Iterable[str]) -> str:
        """The edge in words, with these names for its sources."""
        shown = ", ".join(names)
        match self.form:
            case "one":
                return shown
            case "many":
                return f"[{shown}]"
            case "first" | "filled":
                return f"first of {shown}"
            case "rows":
                return f"all {shown}"
            case _:
                assert_never(self.form)  # a new form that nobody worded does not pass the type check


@dataclass(frozen=True)
class GraphInput:
    """A typed input of the graph."""

    name: str
    type: PortType
    required: bool
    default: object = None
    description: str = ""


@dataclass(frozen=True)
class Relay:
    """An input or output of a graph inside the graph: another name for what comes along an edge, or a constant."""

    type: PortType
    edge: Edge | None = None
    constant: object = None
    folder: Path = Path()  # that a constant's path starts from
    each: bool = False  # whether it is a list of which the graph gets one element at a time

    @property
    def fills(self) -> bool:
        """Whether its constant stands in for what is absent: the default of a graph's input to which a wire leads."""
        lacks = self.type.holed if self.each else self.type.optional
        return self.edge is not None and self.constant is not None and not lacks


@dataclass(frozen=True)
class Guard:
    """A condition, and where the wires that it reads come from."""

    condition: Condition
    edges: Mapping[str, Edge]  # by the wire as it is written


@dataclass(frozen=True)
class Step:
    """One entry of `nodes:` bound to its Node."""

    id: str
    use: str
    definition: Definition
    settings: Mapping[str, Any]  # config fields as written, `${env:…}` unread
    constants: Mapping[str, object]  # values for ports
    folder: Path  # that the paths among them start from
    edges: Mapping[str, Edge]
    resources: Resources
    gpus_asked: bool  # by the graph itself, and not merely by the node's default
    timeout: float | None = None
    retries: int = 0
    retry_delay: float = 0.0  # seconds before the first retry
    retry_backoff: float = 1.0  # factor by which each further delay is longer than the one before
    cache: str = "auto"
    each: tuple[str, ...] = ()  # ports whose lists it runs over, once per element
    gaps: bool = False  # whether it may lack, for an element, what it needs: that one's outputs are absent then
    when: tuple[Guard, ...] = ()  # all must hold
    on_error: Literal["fail", "skip", "use"] = "fail"
    instead: Mapping[str, Edge] = field(default_factory=dict)  # what its outputs are, if it fails and says `use`
    replicas: int | None = None
    least: int = 1  # workers that are set up as soon as one is needed
    batch: int | None = None
    scope: Scope = "item"

    @property
    def ports(self) -> Ports:
        """The ports of its node: of one element, where it runs over a list."""
        return ports_of(self.definition.node)

    @cached_property
    def outputs(self) -> dict[str, PortType]:
        """The types of its outputs, as others read them."""
        found = {name: port.type for name, port in self.ports.outputs.items()}
        return {name: self.over_elements(type_) for name, type_ in found.items()} if self.each else found

    def over_elements(self, type_: PortType) -> PortType:
        """The type of what an output of this type becomes over all elements."""
        return (type_.maybe() if self.gaps else type_).listed()

    @cached_property
    def unwired(self) -> list[str]:
        """The optional inputs that nothing feeds, and that have no default of their own: they are absent."""
        ports = self.ports.inputs.items()
        fed = self.edges.keys() | self.constants.keys()
        return [name for name, port in ports if name not in fed and port.type.optional and port.default is None]

    def requires(self, name: str) -> bool:
        """Whether it cannot run without this input."""
        port = self.ports.input(name)
        return port is not None and port.required

    def has_default(self, name: str) -> bool:
        """Whether its node has a value of its own for this input, where nothing comes to it."""
        port = self.ports.input(name)
        return port is not None and not port.required and not port.type.optional

    @property
    def needed_edges(self) -> Iterator[Edge]:
        """All edges that it cannot do without: those of its inputs and of its conditions."""
        yield from self.edges.values()
        for guard in self.when:
            yield from guard.edges.values()

    @property
    def all_edges(self) -> Iterator[Edge]:
        """All edges that it may read, those of its fallbacks included."""
        yield from self.needed_edges
        yield from self.instead.values()

    @cached_property
    def variables(self) -> dict[str, set[str]]:
        """The environment variables that the settings name, by the setting that does."""
        found = {key: set(variables_in(value)) for key, value in self.settings.items()}
        return {key: names for key, names in found.items() if names}

    def config(self) -> BaseModel:
        """The node's Config, with variables read from the environment; MissingVariable names those not set."""
        try:
            return self.definition.node.Config.model_validate(filled(dict(self.settings), self.id))
        except ValidationError as error:  # found sound when it was checked, so the environment is what changed
            wrong = ", ".join(sorted({f"'{item['loc'][0]}'" for item in error.errors() if item["loc"]}))
            raise InputError(
                f"step '{self.id}': {wrong or 'its config'} does not accept what the environment holds"
            ) from None


@dataclass(frozen=True)
class Plan:
    """A whole graph, ready to run. Steps stand in an order in which they can be done."""

    name: str
    file: str
    description: str
    inputs: Mapping[str, GraphInput]
    steps: Mapping[str, Step]
    outputs: Mapping[str, Edge]
    output_types: Mapping[str, PortType]
    relays: Mapping[str, Relay] = field(default_factory=dict)  # by the name that sources have
    warnings: tuple[Problem, ...] = field(default=())
    folder: Path = Path()  # that paths in it start from

    @property
    def path(self) -> Path:
        """Where the file is that it was read from, if there is one."""
        return self.folder / Path(self.file).name

    @cached_property
    def needs(self) -> dict[str, set[str]]:
        """For each step, those that must be done before."""
        return {id: self.makers(step.needed_edges) for id, step in self.steps.items()}

    @cached_property
    def spares(self) -> dict[str, set[str]]:
        """For each step, those that are needed only if it fails."""
        return {id: self.makers(step.instead.values()) for id, step in self.steps.items()}

    def origins(self, edge: Edge) -> Iterator[Source]:
        """The inputs of the graph and the outputs of steps that an edge comes from, through all relays."""
        return origins(edge, self.relays)

    def makers(self, edges: Iterable[Edge]) -> set[str]:
        """The steps that edges come from."""
        return {source.name for edge in edges for source in self.origins(edge) if source.port}

    def scope_of(self, edges: Iterable[Edge]) -> Scope:
        """What comes along edges: something of each row, or of the whole data set."""
        return "dataset" if any(self.steps[maker].scope == "dataset" for maker in self.makers(edges)) else "item"

    def needed(self, outputs: Iterable[str], spares: bool = False) -> set[str]:
        """The steps that some outputs need; with `spares`, also those that would be needed if others failed."""
        return self.closure(self.makers(self.outputs[name] for name in outputs), spares)

    def closure(self, steps: Iterable[str], spares: bool = False) -> set[str]:
        """These steps and all that they need; with `spares`, also what would be needed if some of them failed."""
        found: set[str] = set()
        pending = list(steps)
        while pending:
            step = pending.pop()
            if step not in found:
                found.add(step)
                pending += self.needs[step] | (self.spares[step] if spares else set())
        return found


def origins(edge: Edge, relays: Mapping[str, Relay]) -> Iterator[Source]:
    """The inputs of the graph and the outputs of steps that an edge comes from, through all relays."""
    for source in edge.sources:
        relay = None if source.port else relays.get(source.name)
        if relay is None:
            yield source
        elif relay.edge is not None:
            yield from origins(relay.edge, relays)


def variables_in(value: Any) -> Iterator[str]:
    """The environment variables that a setting names, however deep inside it."""
    if isinstance(value, str):
        yield from _VARIABLE.findall(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from variables_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from variables_in(item)


def filled(value: Any, step: str, check: bool = False) -> Any:
    """A setting with its variables read. To `check`, one that is not set stays as it is written."""
    if isinstance(value, dict):
        return {key: filled(item, step, check) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, step, check) for item in value]
    if not isinstance(value, str):
        return value

    def read(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None and not check:
            raise MissingVariable(f"step '{step}' needs the environment variable {match[1]}, which is not set")
        return match[0] if found is None else found

    return _VARIABLE.sub(read, value)
