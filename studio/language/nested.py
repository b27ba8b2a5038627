"""Nested: a graph inside the graph, once its file is bound: what it gives, and how it runs once per element."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from studio.language.names import Names
from studio.language.plan import Edge, Relay, Source, Step
from studio.node.node import Port

__all__ = ["BoundFile", "NotPerElement", "run_per_element"]


@dataclass
class BoundFile:
    """One file, bound: its steps and those of the graphs inside it, by their ids in the plan."""

    names: Names
    steps: dict[str, Step]
    outputs: Mapping[str, Edge]

    @property
    def ports(self) -> dict[str, Port]:
        """Its inputs, as ports of the step that it is elsewhere."""
        inputs = self.names.inputs.items()
        return {name: Port(name, given.type, given.required, given.default) for name, given in inputs}

    def relays(self, listed: Collection[str]) -> dict[str, Relay]:
        """Its outputs as others read them, of which some have become lists."""
        types = {name: self.names.type(edge) for name, edge in self.outputs.items()}
        return {
            name: Relay(type_.listed() if name in listed else type_, self.outputs[name], each=name in listed)
            for name, type_ in types.items()
            if type_ is not None
        }


class NotPerElement(Exception):
    """A step cannot run once per element of something outside its graph; the text says which and why."""


def run_per_element(inner: BoundFile, inputs: Collection[str]) -> set[str]:
    """Makes a graph run once per element of some of its inputs; returns the outputs that become lists.

    Each step that depends on the element gets an `each` of its own, so that its elements are cached and
    queued like any others. Steps and relays of `inner` are changed in place. NotPerElement says which
    step stands in the way: one that gathers, chooses or has conditions would do so per element, and
    not over the whole list.
    """
    steps, relays = inner.steps, inner.names.relays
    listed = _listed(steps, relays, {Source(inner.names.prefix + name) for name in inputs})
    for name, relay in relays.items():
        if relay.edge is not None and _per_element(relay.edge, listed, f"'{name}'"):
            relays[name] = replace(relay, type=relay.type.listed(), each=True)
    for id, step in steps.items():
        if ports := _ports(step, listed):
            steps[id] = replace(step, each=ports)
    return {name for name, edge in inner.outputs.items() if _per_element(edge, listed, f"its output '{name}'")}


def _listed(steps: Mapping[str, Step], relays: Mapping[str, Relay], listed: set[Source]) -> set[Source]:
    """These sources, and all that depend on them."""
    while True:
        found = {
            Source(id, port)
            for id, step in steps.items()
            if any(source in listed for edge in step.edges.values() for source in edge.sources)
            for port in step.ports.outputs
        }
        found |= {Source(name) for name, relay in relays.items() if relay.edge and set(relay.edge.sources) & listed}
        if found <= listed:
            return listed
        listed = listed | found


def _ports(step: Step, listed: Collection[Source]) -> tuple[str, ...]:
    """The ports of a step that get one element at a time."""
    who = f"step '{step.id}'"
    ports = tuple(port for port, edge in step.edges.items() if _per_element(edge, listed, who))
    others = [*(edge for guard in step.when for edge in guard.edges.values()), *step.instead.values()]
    if any(_per_element(edge, listed, who) for edge in others):
        raise NotPerElement(f"{who} has a condition, or a fallback, that depends on the element")
    if ports and step.each:
        raise NotPerElement(f"{who} runs over elements itself")
    return ports


def _per_element(edge: Edge, listed: Collection[Source], who: str) -> bool:
    """Whether an edge carries something that has become a list; NotPerElement if it mixes several."""
    found = any(source in listed for source in edge.sources)
    if found and edge.form != "one":
        raise NotPerElement(f"{who} gathers or chooses between wires that depend on the element")
    return found
