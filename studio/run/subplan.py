"""Subplan: what of a plan some outputs need, worked out once, however many items run it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property

from studio.language.plan import Edge, Plan, Scope, Source, Step

__all__ = ["Subplan"]


class Subplan:
    """What of a plan some outputs need, worked out once, however many items take it."""

    def __init__(
        self, plan: Plan, wanted: Iterable[str], scope: Scope | None = None, only: Collection[str] | None = None
    ) -> None:
        """With a scope, that part of it which runs for each item, or that which runs once over all of them.

        only: no more than these steps, and no outputs.
        """
        wanted = set(wanted)
        self.plan, self._scope = plan, scope
        needed = plan.needed(wanted) if plan.outputs else set(plan.steps)
        possible = plan.needed(wanted, spares=True) if plan.outputs else set(plan.steps)
        edges = [edge for id in possible for edge in plan.steps[id].edges.values() if edge.form == "rows"]
        self.rows = list(dict.fromkeys(source for edge in edges for source in edge.sources))  # of which all are wanted
        self.ends = {
            name: edge
            for name, edge in plan.outputs.items()
            if only is None and name in wanted and scope in (None, plan.scope_of([edge]))
        }
        self.steps = {
            id: step
            for id, step in plan.steps.items()
            if id in possible and scope in (None, step.scope) and (only is None or id in only)
        }
        self.first = needed & self.steps.keys()  # the others stand in for what fails
        self.waits_for = {id: plan.needs[id] & self.first for id in self.steps if id in self.first}
        self.followers: dict[str, list[str]] = {id: [] for id in self.steps}
        for id in self.steps:
            for need in sorted((plan.needs[id] | plan.spares[id]) & self.steps.keys()):
                self.followers[need].append(id)
        self.certain: set[str] = set()  # steps that only a failure can keep from running
        for id, step in self.steps.items():
            if self._is_certain(step):
                self.certain.add(id)

    @cached_property
    def uniform(self) -> bool:
        """Whether all items take all steps, and nothing but what one of them was given decides what comes of it."""
        plain = self.certain == self.steps.keys() and not any(step.timeout for step in self.steps.values())
        made = all(source.port for edge in self.ends.values() for source in edge.sources)
        return plain and made and all(edge.form == "one" for edge in self.edges)

    @property
    def inputs(self) -> list[str]:
        """The inputs of the graph that may be read."""
        read = {source.name for edge in self.edges for source in self.plan.origins(edge) if not source.port}
        return [name for name in self.plan.inputs if name in read]

    @property
    def edges(self) -> list[Edge]:
        """All edges that may be read."""
        of_steps = [edge for step in self.steps.values() for edge in step.all_edges]
        gathered = [Edge((source,)) for source in self.rows] if self._scope == "item" else []
        return [*of_steps, *self.ends.values(), *gathered]

    def may_be_absent(self, source: Source) -> bool:
        """Whether a source may turn out to give nothing, though nothing that it needs fails."""
        if not source.port:
            return source.name in self.plan.relays or self.plan.inputs[source.name].type.optional
        step = self.plan.steps[source.name]
        return step.outputs[source.port].optional or step.on_error != "fail" or source.name not in self.certain

    def _is_certain(self, step: Step) -> bool:
        if any(edge.form == "filled" for edge in step.edges.values()):
            return False  # what a list lacks is not known until it is there
        sources = [source for edge in step.edges.values() for source in edge.sources]
        return not (step.when or step.each or any(self.may_be_absent(source) for source in sources))
