"""Reasons: why each step of a run ran, found while it runs, before its own result is on record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.cache.cache import Cache
from studio.cache.record import Record
from studio.language.plan import Edge, Plan, Source, Step
from studio.run.events import Event, StepCached, StepFinished, StepReplaced, StepWaiting
from studio.run.inputs import Inputs
from studio.run.keys import Keys
from studio.run.subplan import Subplan
from studio.values.artifact import ABSENT, Artifact

__all__ = ["Given", "Reasons"]

_MOST_ELEMENTS = 3  # of a step, whose reasons are told
_INPUT = re.compile(r"input '(\w+)': ")


@dataclass(frozen=True)
class Given:
    """What a run was started with."""

    inputs: Mapping[str, object]
    cache: Cache | None
    refresh: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()


class Reasons:
    """Hears the events of a run; knows what each step was given, and why it ran."""

    def __init__(self, plan: Plan, given: Given) -> None:
        self._plan, self._given = plan, given
        self._keys = Keys(given.cache, plan.name, Step.config) if given.cache else None
        self._past: dict[str, list[Record]] = {}  # by node, as first asked: what a run itself makes explains nothing
        subplan = Subplan(plan, given.outputs or plan.outputs)
        self.read = sorted(subplan.inputs)
        self.made: dict[str, Mapping[str, Artifact]] = {}  # what each step gave
        self.why: dict[str, list[str]] = {}
        self._elements: dict[str, list[dict[str, Artifact]]] = {}  # of steps that run once per element
        self._ran: Counter[str] = Counter()  # elements, by step
        self._shared = Inputs(plan, subplan.edges, given.inputs, given.cache)
        self._shared.made = self._made

    def hear(self, event: Event) -> None:
        """Takes in one event."""
        match event:
            case StepWaiting(step=step, element=None) if step not in self.why:
                each = self._plan.steps[step].each
                self.why[step] = [] if each else self._reasons(self._plan.steps[step], self._inputs(step))
            case StepWaiting(step=step, element=int(element)):
                self._element(step, element)
            case StepCached(step=step, outputs=outputs, element=None):
                self.made[step] = outputs
                self.why[step] = []
            case StepFinished(step=step, outputs=outputs, element=None):
                self.made[step] = {name: _light(artifact) for name, artifact in outputs.items()}
            case StepReplaced(step=step, outputs=outputs):
                self.made[step] = outputs

    def _made(self, source: Source) -> Artifact:
        """What a step gave; what it did not give is absent."""
        return self.made.get(source.name, {}).get(source.port, ABSENT)

    def _inputs(self, id: str) -> dict[str, Artifact]:
        return self._shared.inputs_of(self._plan.steps[id], admit=False)

    def _element(self, id: str, element: int) -> None:
        """One element of a step runs: the first few say why."""
        self._ran[id] += 1
        step = self._plan.steps[id]
        if self._ran[id] <= _MOST_ELEMENTS:
            inputs = self._inputs(id)
            inputs |= {name: (inputs[name].items or ())[element] for name in step.each}
            given = {name: each for name, each in inputs.items() if not (each.absent and step.has_default(name))}
            reasons = self._reasons(step, given)
            self.why[id] = [*self.why.get(id, []), *(f"element {element}: {reason}" for reason in reasons)]
        elif self._ran[id] == _MOST_ELEMENTS + 1:
            self.why[id].append("and others")

    def input(self, edge: Edge) -> Artifact:
        """What an input of the run is, opened and checked."""
        self._shared.admit([edge])
        return self._shared.artifact(edge)

    def inputs_of(self, step: Step) -> dict[str, Artifact]:
        """What a step was given, by port; empty where what it needs was not made."""
        if not self._plan.makers(step.edges.values()) <= self.made.keys():
            return {}
        self._shared.admit(step.edges.values())
        return self._shared.inputs_of(step, admit=True)

    def _reasons(self, step: Step, inputs: Mapping[str, Artifact]) -> list[str]:
        """Why a task that is given these inputs was not known."""
        cache = self._given.cache
        if cache is None or self._keys is None:
            return ["no cache was in use"]
        if step.id in self._given.refresh:
            return ["it was asked to run again"]
        node = step.definition.name
        if node not in self._past:
            self._past[node] = cache.comparable(node)
        try:
            return self._in_words(step, self._keys.news(step, inputs, self._past[node]))
        except Exception as error:  # a page stops no run
            return [f"what is new could not be told: {error}"]

    def _in_words(self, step: Step, changes: list[str]) -> list[str]:
        """Changes, each of an input with where that came from."""
        return [_INPUT.sub(lambda found: self._origin(step, found[1]), change) for change in changes]

    def _origin(self, step: Step, port: str) -> str:
        edge: Any = step.edges.get(port)
        origin = f" from {', '.join(map(str, self._plan.origins(edge)))}" if edge else ""
        return f"input '{port}'{origin}: "


def _light(artifact: Artifact) -> Artifact:
    """The artifact without what is live, where it is also at rest: so that memory is free again."""
    kept = all(leaf.stored or leaf.inline is not None for leaf in artifact.leaves)
    return artifact.at_rest() if kept else artifact
