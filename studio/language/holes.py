"""Holes: which lists may lack items, followed from the steps that leave them to all that read such a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from studio.language.names import Names
from studio.language.plan import Edge, Relay, Source, Step
from studio.values import PortType

__all__ = ["follow_holes"]


def follow_holes(names: Names, steps: dict[str, Step]) -> None:
    """Marks the steps of a file, and of the graphs inside it, that may lack for an element what they need.

    What they give are lists with holes, and so on, step after step; the names of the file learn these types.
    """
    relays = names.relays
    while True:
        lacking = {id: step for id, step in steps.items() if _may_lack(step, names, steps)}
        handing = {name: relay for name, relay in relays.items() if _hands_on(relay, names, steps)}
        if not lacking and not handing:
            break
        steps |= {id: replace(step, gaps=True) for id, step in lacking.items()}
        relays |= {name: replace(relay, type=relay.type.item().maybe().listed()) for name, relay in handing.items()}
    for id, signature in names.signatures.items():
        types = {name: _type(source, names, steps) for name, source in signature.sources.items()}
        names.signatures[id] = replace(signature, outputs=types)
        names.types |= {signature.sources[name]: type_ for name, type_ in types.items()}


def _may_lack(step: Step, names: Names, steps: Mapping[str, Step]) -> bool:
    """Whether it is not marked and should be."""
    edges = [step.edges[name] for name in step.each if name in step.edges and step.requires(name)]
    return not step.gaps and any(_holed(edge, names, steps) for edge in edges)


def _hands_on(relay: Relay, names: Names, steps: Mapping[str, Step]) -> bool:
    """Whether it is a list of elements that may be absent, which its type does not say: nothing stands in for them."""
    known = not relay.each or relay.type.holed or relay.fills
    return not known and relay.edge is not None and _holed(relay.edge, names, steps)


def _holed(edge: Edge, names: Names, steps: Mapping[str, Step]) -> bool:
    """Whether a list that comes along an edge may lack items."""
    if edge.form == "many":
        return edge.holed
    if edge.form == "filled":
        return _type(edge.sources[1], names, steps).optional
    return any(_type(source, names, steps).holed for source in edge.sources)


def _type(source: Source, names: Names, steps: Mapping[str, Step]) -> PortType:
    """The type of a source, as far as it is known by now."""
    if source.port and source.name in steps:
        return steps[source.name].outputs[source.port]
    relay = None if source.port else names.relays.get(source.name)
    return relay.type if relay else names.types[source]
