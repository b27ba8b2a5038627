"""Dependencies: what must be done before what: an order, cycles, generations, and a plan as a graph of networkx.

networkx takes a fifth of a second to load, more than a whole run that is cached. So it is imported
where its algorithms are wanted; a check, and a run, of a sound graph do without (`Plan.closure`).
"""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["cycles", "generations", "order"]


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
