"""Why: for each step of a plan, whether its result is known, and if not, what is different. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio.cache.cache import Cache
from studio.language.plan import Plan, Step
from studio.run.elements import lacks
from studio.run.inputs import Inputs
from studio.run.keys import Keys
from studio.run.scheduler import Scheduler
from studio.run.subplan import Subplan
from studio.values.artifact import ABSENT, Artifact

__all__ = ["Verdict", "why"]

_MOST_TOLD = 3  # elements of a step whose reasons are told


@dataclass(frozen=True)
class Verdict:
    """What would happen to one step: cached, skipped, or it runs, for these reasons."""

    step: str
    cached: bool
    reasons: tuple[str, ...] = ()
    key: str = ""
    skipped: bool = False

    def __str__(self) -> str:
        reasons = "; ".join(self.reasons)
        return "cached" if self.cached else f"skipped: {reasons}" if self.skipped else f"runs: {reasons}"


def why(plan: Plan, inputs: Mapping[str, object], cache: Cache) -> list[Verdict]:
    """A verdict for each step that the outputs need, in order."""
    return _Inquiry(plan, inputs, cache).verdicts()


class _Inquiry:
    def __init__(self, plan: Plan, inputs: Mapping[str, object], cache: Cache) -> None:
        self._cache = cache
        self._keys = Keys(cache, plan.name, Step.config)
        subplan = Subplan(plan, plan.outputs)
        self._scheduler = Scheduler(subplan, Inputs(plan, subplan.edges, inputs, cache))
        self._found: dict[str, Verdict] = {}

    def verdicts(self) -> list[Verdict]:
        self._skipped(self._scheduler.first_skipped)
        while self._scheduler.ready:
            self._presence_of(self._scheduler.steps[self._scheduler.ready.popleft()])
        for id in self._scheduler.open - self._found.keys():
            unknown = min(self._scheduler.waits_for[id])
            self._found[id] = Verdict(id, cached=False, reasons=(f"waits for '{unknown}', which runs first",))
        return [self._found[id] for id in self._scheduler.steps]

    def _skipped(self, consequences: list[tuple[str, str]]) -> None:
        for id, reason in consequences:
            self._found[id] = Verdict(id, cached=False, reasons=(reason,), skipped=True)

    def _presence_of(self, step: Step) -> None:
        try:
            obstacle = self._scheduler.obstacle(step)
        except ValueError as error:
            self._found[step.id] = Verdict(step.id, cached=False, reasons=(str(error),))
            return
        if obstacle:
            reason = f"its condition does not hold: {obstacle}"
            self._skipped([(step.id, reason), *self._scheduler.skip(step.id)])
            return
        verdict, outputs = self._whole(step) if step.each else self._one(step, self._inputs(step))
        self._found[step.id] = verdict
        if outputs is not None:
            self._skipped(self._scheduler.end(step.id, outputs))

    def _inputs(self, step: Step) -> dict[str, Artifact]:
        return self._scheduler.inputs.inputs_of(step, admit=False)

    def _whole(self, step: Step) -> tuple[Verdict, Mapping[str, Artifact] | None]:
        """The verdict on a step that runs once per element."""
        try:
            given = self._scheduler.elements(step, self._inputs(step))
            each = [self._gap(step) if lacks(step, inputs) else self._one(step, inputs) for inputs in given]
        except ValueError as error:
            return Verdict(step.id, cached=False, reasons=(str(error),)), None
        missing = [(index, verdict) for index, (verdict, _) in enumerate(each) if not verdict.cached]
        if missing:
            head = f"{len(missing)} of {len(each)} elements are not known"
            told = [f"element {index}: {reason}" for index, verdict in missing for reason in verdict.reasons]
            return Verdict(step.id, cached=False, reasons=(head, *told[:_MOST_TOLD])), None
        made = [outputs or {} for _, outputs in each]
        lists = {
            name: Artifact.of_items(type_.kind, tuple(outputs[name] for outputs in made))
            for name, type_ in step.outputs.items()
        }
        return Verdict(step.id, cached=True), lists

    @staticmethod
    def _gap(step: Step) -> tuple[Verdict, Mapping[str, Artifact]]:
        """The verdict on an element that lacks what its node needs: there is nothing to run."""
        return Verdict(step.id, cached=True), dict.fromkeys(step.outputs, ABSENT)

    def _one(self, step: Step, inputs: Mapping[str, Artifact]) -> tuple[Verdict, Mapping[str, Artifact] | None]:
        """The verdict on one task."""
        key = self._keys.of(step, inputs).key if step.cache == "auto" else ""
        record = self._cache.lookup(key, step.definition.name) if key else None
        if record is None:
            return Verdict(step.id, cached=False, reasons=tuple(self._keys.news(step, inputs)), key=key), None
        return Verdict(step.id, cached=True, key=key), record.outputs
