"""Why: for each step of a plan, whether its result is known, and if not, what is different. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.cache import Cache
from studio.digest import Uncacheable
from studio.errors import ModelUnavailable
from studio.inputs import Given, check_names
from studio.plan import Edge, Plan, Step
from studio.store import ABSENT, Artifact

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
        self._plan, self._cache, self._values = plan, cache, inputs
        self._folder = Path(plan.file).parent
        self._outputs: dict[str, Mapping[str, Artifact]] = {}
        needed = plan.needed(set(plan.outputs)) if plan.outputs else set(plan.steps)
        self._steps = [step for id, step in plan.steps.items() if id in needed]

    def verdicts(self) -> list[Verdict]:
        read = {s.name for step in self._steps for e in step.edges.values() for s in e.sources if not s.port}
        check_names(self._plan, self._values, read)
        return [self._verdict(step) for step in self._steps]

    def _verdict(self, step: Step) -> Verdict:
        unknown = sorted(step.needs - self._outputs.keys())
        if unknown:
            return Verdict(step.id, cached=False, reasons=(f"waits for '{unknown[0]}', which runs first",))
        if step.cache != "auto":
            return Verdict(step.id, cached=False, reasons=(f"the graph says cache: {step.cache}",))
        try:
            parts = self._cache.parts(step, step.config())
            parts = self._cache.with_inputs(parts, self._inputs(step))
            key = self._cache.key(parts)
        except (Uncacheable, ModelUnavailable) as error:
            return Verdict(step.id, cached=False, reasons=(f"cannot be cached: {error}",))
        record = self._cache.lookup(key, step.definition.name)
        if record is None:
            reasons = self._cache.changes(parts) or [f"{step.definition.name} has nothing on record"]
            return Verdict(step.id, cached=False, reasons=tuple(reasons), key=key)
        self._outputs[step.id] = record.outputs
        return Verdict(step.id, cached=True, key=key)

    def _inputs(self, step: Step) -> dict[str, Artifact]:
        found = {name: self._artifact(edge) for name, edge in step.edges.items()}
        for name, raw in step.constants.items():
            found[name] = Given(name, step.ports.inputs[name].type, raw, self._cache, self._folder).artifact
        for name, port in step.ports.inputs.items():
            if name not in found and port.type.optional and port.default is None:
                found[name] = ABSENT
        return found

    def _artifact(self, edge: Edge) -> Artifact:
        found = [self._outputs[s.name][s.port] if s.port else self._given(s.name) for s in edge.sources]
        return Artifact.of_items(found[0].kind if found else "data", tuple(found)) if edge.many else found[0]

    def _given(self, name: str) -> Artifact:
        given = self._plan.inputs[name]
        if self._values.get(name) is not None:
            return Given(name, given.type, self._values[name], self._cache).artifact
        return Given(name, given.type, given.default, self._cache, self._folder).artifact
