"""Plan: a graph bound to nodes, wired, typed, acyclic, frozen: all that a run knows of a graph. `wiring` makes it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError

from studio.errors import InputError, MissingVariable, Problem
from studio.node import Ports, ports_of
from studio.registry import Definition
from studio.resources import Resources
from studio.values import PortType

__all__ = ["Edge", "GraphInput", "Plan", "Source", "Step", "filled", "variables_in"]

_VARIABLE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Source:
    """One end of an edge: an output port of a step, or (with no port) an input of the graph."""

    name: str
    port: str = ""

    def __str__(self) -> str:
        return f"{self.name}.{self.port}" if self.port else self.name


@dataclass(frozen=True)
class Edge:
    """Where an input comes from: one source, or several gathered into a list."""

    sources: tuple[Source, ...]
    many: bool = False


@dataclass(frozen=True)
class GraphInput:
    """A typed input of the graph."""

    name: str
    type: PortType
    required: bool
    default: object = None
    description: str = ""


@dataclass(frozen=True)
class Step:
    """One entry of `nodes:` bound to its Node."""

    id: str
    use: str
    definition: Definition
    settings: Mapping[str, Any]  # config fields as written, `${env:…}` unread
    constants: Mapping[str, object]  # values for ports
    edges: Mapping[str, Edge]
    resources: Resources
    gpus_asked: bool  # by the graph itself, and not merely by the node's default
    timeout: float | None = None
    retries: int = 0
    cache: str = "auto"

    @property
    def ports(self) -> Ports:
        return ports_of(self.definition.node)

    @cached_property
    def needs(self) -> set[str]:
        """The steps that must be done before."""
        return {source.name for edge in self.edges.values() for source in edge.sources if source.port}

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
    warnings: tuple[Problem, ...] = field(default=())

    def needed(self, outputs: set[str]) -> set[str]:
        """The steps that some outputs need."""
        pending = [source.name for name in outputs for source in self.outputs[name].sources if source.port]
        needed: set[str] = set()
        while pending:
            step = pending.pop()
            if step not in needed:
                needed.add(step)
                pending += self.steps[step].needs
        return needed


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
