"""Inlining: how a graph inside the graph runs once per element: each of its steps does, on what depends on it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from studio.language.plan import Edge, Relay, Source, Step

__all__ = ["Uneven", "depends", "spread"]


class Uneven(Exception):
    """A step cannot run once per element of something outside its graph; the text says which and why."""


def spread(steps: dict[str, Step], relays: dict[str, Relay], inputs: set[str]) -> set[Source]:
    """Makes steps run once per element of some inputs of their graph (by the names of the relays).

    Steps and relays are changed in place; returns all sources that have become lists.
    """
    listed = _listed(steps, relays, {Source(name) for name in inputs})
    for name, relay in relays.items():
        if relay.edge is not None and depends(relay.edge, listed, f"'{name}'"):
            relays[name] = replace(relay, type=relay.type.required().listed())
    for id, step in steps.items():
        if ports := _ports(step, listed):
            steps[id] = replace(step, each=ports)
    return listed


def _listed(steps: dict[str, Step], relays: dict[str, Relay], listed: set[Source]) -> set[Source]:
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
    ports = tuple(port for port, edge in step.edges.items() if depends(edge, listed, who))
    others = [*(edge for guard in step.when for edge in guard.edges.values()), *step.instead.values()]
    if any(depends(edge, listed, who) for edge in others):
        raise Uneven(f"{who} has a condition, or a fallback, that depends on the element")
    if ports and step.each:
        raise Uneven(f"{who} runs over elements itself")
    return ports


def depends(edge: Edge, listed: Collection[Source], who: str) -> bool:
    """Whether an edge carries something that has become a list; Uneven if it mixes several."""
    found = any(source in listed for source in edge.sources)
    if found and edge.form != "one":
        raise Uneven(f"{who} gathers or chooses between wires that depend on the element")
    return found
