"""Why: for each step of a plan, whether its result is known, and if not, what is different. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio.cache import Cache
from studio.digest import Uncacheable
from studio.errors import ModelUnavailable
from studio.inputs import Supply
from studio.plan import Plan, Step
from studio.store import Artifact

__all__ = ["Verdict", "why"]


@dataclass(frozen=True)
class Verdict:
    """What would happen to one step: cached, or it runs, for these reasons."""

    step: str
    cached: bool
    reasons: tuple[str, ...] = ()
    key: str = ""


def why(plan: Plan, inputs: Mapping[str, object], cache: Cache) -> list[Verdict]:
    """A verdict for each step that the outputs need, in order."""
    return _Inquiry(plan, inputs, cache).verdicts()


class _Inquiry:
    def __init__(self, plan: Plan, inputs: Mapping[str, object], cache: Cache) -> None:
        self._cache = cache
        self._outputs: dict[str, Mapping[str, Artifact]] = {}
        needed = plan.needed(set(plan.outputs)) if plan.outputs else set(plan.steps)
        self._steps = [step for id, step in plan.steps.items() if id in needed]
        edges = [edge for step in self._steps for edge in step.edges.values()]
        self._supply = Supply(plan, edges, inputs, cache, lambda source: self._outputs[source.name][source.port])

    def verdicts(self) -> list[Verdict]:
        return [self._verdict(step) for step in self._steps]

    def _verdict(self, step: Step) -> Verdict:
        unknown = sorted(step.needs - self._outputs.keys())
        if unknown:
            return Verdict(step.id, cached=False, reasons=(f"waits for '{unknown[0]}', which runs first",))
        if step.cache != "auto":
            return Verdict(step.id, cached=False, reasons=(f"the graph says cache: {step.cache}",))
        try:
            parts = self._cache.parts(step, step.config())
            parts = self._cache.with_inputs(parts, self._supply.inputs_of(step, admit=False))
            key = self._cache.key(parts)
        except (Uncacheable, ModelUnavailable) as error:
            return Verdict(step.id, cached=False, reasons=(f"cannot be cached: {error}",))
        record = self._cache.lookup(key, step.definition.name)
        if record is None:
            reasons = self._cache.changes(parts) or [f"{step.definition.name} has nothing on record"]
            return Verdict(step.id, cached=False, reasons=tuple(reasons), key=key)
        self._outputs[step.id] = record.outputs
        return Verdict(step.id, cached=True, key=key)
