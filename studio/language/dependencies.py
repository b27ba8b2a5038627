"""Dependencies: what must be done before what: an order, cycles, generations, and a plan as a graph of networkx.

networkx takes a fifth of a second to load, which is as long as a whole run that is cached. So it is
imported where its algorithms are wanted: to name cycles, to draw, and for people. Checks and runs of
sound graphs ask `Plan.closure` what is needed, and do without.
"""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from studio.language.plan import Edge, Form, Plan, Source

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Link", "cycles", "generations", "links", "order", "to_networkx"]

Role = Literal["input", "when", "instead", "output"]


@dataclass(frozen=True)
class Link:
    """One way from what is given or made to what reads it, straight through all graphs inside the graph."""

    source: Source  # an input of the graph, or an output of a step
    target: str  # a step, or an output of the graph
    port: str  # of the step: the input that is fed, or the output that is stood in for
    role: Role  # `when`: a condition reads it; `instead`: if the step fails
    form: Form


def links(plan: Plan) -> Iterator[Link]:
    """All links of a plan: step by step, then those of its outputs."""
    for id, step in plan.steps.items():
        for port, edge in step.edges.items():
            yield from _links(plan, edge, id, port, "input")
        for guard in step.when:
            for edge in guard.edges.values():
                yield from _links(plan, edge, id, "", "when")
        for port, edge in step.instead.items():
            yield from _links(plan, edge, id, port, "instead")
    for name, edge in plan.outputs.items():
        yield from _links(plan, edge, name, "", "output")


def _links(plan: Plan, edge: Edge, target: str, port: str, role: Role) -> Iterator[Link]:
    for source in edge.sources:
        relay = None if source.port else plan.relays.get(source.name)
        if relay is None:
            yield Link(source, target, port, role, edge.form)
        elif relay.edge is not None:
            for link in _links(plan, relay.edge, target, port, role):
                yield link if edge.form == "one" else replace(link, form=edge.form)


def order(needs: Mapping[str, Collection[str]]) -> list[str] | None:
    """An order in which all can be done, given what each needs; None if there is a cycle."""
    try:
        return list(graphlib.TopologicalSorter(needs).static_order())
    except graphlib.CycleError:
        return None


def cycles(needs: Mapping[str, Collection[str]]) -> Iterator[list[str]]:
    """A cycle of each knot of steps that wait for each other, from its outermost step on.

    Not all cycles: a knot of twenty steps may have thousands, and after one cut the next can be told.
    """
    import networkx as nx

    graph = _graph(needs)
    for knot in nx.strongly_connected_components(graph):
        if len(knot) > 1 or any(graph.has_edge(id, id) for id in knot):
            cycle = [edge[0] for edge in nx.find_cycle(graph.subgraph(knot), min(knot))]
            start = cycle.index(min(cycle, key=lambda step: (step.count("/"), step)))
            yield [*cycle[start:], *cycle[:start]]


def generations(needs: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Steps by how many stand before them, at most; those of a generation as `needs` has them."""
    import networkx as nx

    places = {id: place for place, id in enumerate(needs)}
    return [sorted(ids, key=places.__getitem__) for ids in nx.topological_generations(_graph(needs))]


def _graph(needs: Mapping[str, Collection[str]]) -> nx.DiGraph[str]:
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph([(need, id) for id, before in needs.items() for need in before])
    graph.add_nodes_from(needs)
    return graph


def to_networkx(plan: Plan) -> nx.MultiDiGraph[str]:
    """A plan as networkx has it; `Graph.to_networkx` says what its nodes and edges hold."""
    import networkx as nx

    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=plan.name)
    for name, given in plan.inputs.items():
        graph.add_node(f"input:{name}", kind="input", type=str(given.type), required=given.required)
    for id, step in plan.steps.items():
        graph.add_node(id, kind="step", use=step.use, scope=step.scope, each=", ".join(step.each))
    for name in plan.outputs:
        graph.add_node(f"output:{name}", kind="output", type=str(plan.output_types.get(name, "")))
    for link in links(plan):
        source = link.source
        type_ = plan.steps[source.name].outputs[source.port] if source.port else plan.inputs[source.name].type
        graph.add_edge(
            source.name if source.port else f"input:{source.name}",
            f"output:{link.target}" if link.role == "output" else link.target,
            source_port=source.port,
            target_port=link.port,
            role=link.role,
            form=link.form,
            type=str(type_),
        )
    return graph
