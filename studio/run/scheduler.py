"""Scheduler: how far an item has come on its way through a plan: which steps ended, how, and which can go.

It runs nothing and looks nothing up. A step ends with outputs, some of which may be absent, or it has
failed, or needs something that did. What an end means for others is worked out here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

from studio.cache.packing import unpack
from studio.executors.handles import fetched
from studio.language.plan import Edge, Source, Step
from studio.run.inputs import Inputs
from studio.run.subplan import Subplan
from studio.values.artifact import ABSENT, Artifact

__all__ = ["Consequence", "Scheduler"]

Consequence = tuple[str, str]  # a step that is skipped, and why


class Presence(IntEnum):
    """Whether a value is there; of the values of a list, the lowest decides."""

    FAILED = 0  # what was to make it failed, or needs something that did
    ABSENT = 1
    PENDING = 2
    THERE = 3


class Scheduler:
    """One item on its subplan: the steps that are needed so far, and what has become of them."""

    def __init__(self, subplan: Subplan, inputs: Inputs, promised: Callable[[Source], Artifact] | None = None) -> None:
        """`inputs` is told what is made here; what is on its way can be `promised`."""
        self._subplan, self._plan, self._promised = subplan, subplan.plan, promised
        self.inputs = inputs
        self.followers = subplan.followers
        self.made: dict[str, Mapping[str, Artifact]] = {}
        self.failed_by: dict[str, str] = {}  # by step, the one whose failure it was
        self.steps: dict[str, Step] = {}  # those needed so far
        self.open: set[str] = set()  # steps that have not come to an end
        self.ready: deque[str] = deque()  # steps whose inputs are there
        self.waits_for: dict[str, set[str]] = {}
        self._falling_back: set[str] = set()  # failed steps that wait for what stands in for them
        inputs.made = self._made
        self.first_skipped = self._need(subplan.first)

    def release(self) -> None:
        """Lets go of what refers back to it."""
        self._promised = None
        del self.inputs.made

    # Ends --------------------------------------------------------------------

    def end(self, id: str, outputs: Mapping[str, Artifact]) -> list[Consequence]:
        """A step has its outputs; which others are skipped for it?"""
        self.made[id] = outputs
        self.open.discard(id)
        return self._settle([id])

    def skip(self, id: str) -> list[Consequence]:
        """A step has no outputs, and that is no failure."""
        return self.end(id, dict.fromkeys(self.steps[id].outputs, ABSENT))

    def fail(self, id: str) -> list[Consequence]:
        """A step has failed."""
        self.failed_by[id] = id
        self.open.discard(id)
        return self._settle([id])

    def fall_back(self, id: str) -> list[Consequence]:
        """A step has failed, and waits for what stands in for its outputs; then it is ready again."""
        self._falling_back.add(id)
        skipped = self._need(self._plan.closure(self._plan.spares[id]))
        self.waits_for[id] = self._plan.spares[id] & self.open
        if not self.waits_for[id]:
            self.ready.append(id)
        return skipped

    def instead(self, id: str) -> dict[str, Artifact] | None:
        """What stands in for the outputs of a step that fell, each if it is there; None if that failed, too."""
        edges = self._plan.steps[id].instead
        if any(self._presence(edge)[0] == Presence.FAILED for edge in edges.values()):
            return None
        outputs = self._plan.steps[id].outputs
        return {name: self.inputs.artifact(edges[name]) if name in edges else ABSENT for name in outputs}

    def fell_back(self, id: str) -> bool:
        """Whether a step has failed and something was to stand in for it."""
        return id in self._falling_back

    # Beginnings --------------------------------------------------------------

    def obstacle(self, step: Step) -> str:
        """Which condition of a step does not hold; ValueError where one cannot be decided."""
        for guard in step.when:
            values = {ref: self._value(edge) for ref, edge in guard.edges.items()}
            if not guard.condition.holds(values):
                return str(guard.condition)
        return ""

    def elements(self, step: Step, inputs: Mapping[str, Artifact]) -> list[dict[str, Artifact]]:
        """What a step that runs once per element is given for each; ValueError if its lists differ in length."""
        lists = {name: inputs[name].items or () for name in step.each}
        shared = {name: artifact for name, artifact in inputs.items() if name not in lists}
        lengths = {name: len(items) for name, items in lists.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise ValueError(f"the lists of 'each' differ in length: {shown}")
        count = next(iter(lengths.values()))
        found = [{**shared, **{name: items[index] for name, items in lists.items()}} for index in range(count)]
        for name in filter(step.has_default, lists):
            for element in found:
                if element[name].absent:
                    del element[name]  # as if it were not wired
        return found

    def value_of(self, source: Source) -> Artifact | None:
        """What a source gave; None where that is absent, failed, or not here yet."""
        return self.inputs.of(source) if self._presence_of(source)[0] == Presence.THERE else None

    def outputs(self) -> dict[str, Artifact]:
        """The outputs of the plan that there are."""
        ready = {
            name: edge
            for name, edge in self._subplan.ends.items()
            if self._presence(edge)[0] in (Presence.THERE, Presence.ABSENT)
        }
        self.inputs.admit(ready.values())
        return {name: self.inputs.artifact(edge) for name, edge in ready.items()}

    # What follows ------------------------------------------------------------

    def _need(self, ids: set[str]) -> list[Consequence]:
        """Takes up steps that were not needed so far."""
        fresh = [id for id in self._subplan.steps if id in ids and id not in self.steps]
        self.open.update(fresh)
        for id in fresh:
            self.steps[id] = self._subplan.steps[id]
            self.waits_for[id] = self._plan.needs[id] & self.open
        skipped: list[Consequence] = []
        for id in fresh:
            if id in self.open:
                skipped += self._arrived(id)
        return skipped + self._settle([id for id, _ in skipped])

    def _settle(self, ended: list[str]) -> list[Consequence]:
        skipped: list[Consequence] = []
        while ended:
            id = ended.pop(0)
            for other in self.followers[id]:
                if other in self.open and id in self.waits_for[other]:
                    self.waits_for[other].discard(id)
                    consequence = self._arrived(other)
                    skipped += consequence
                    ended += [step for step, _ in consequence]
        return skipped

    def _arrived(self, id: str) -> list[Consequence]:
        """Something that a step waits for has come: it is ready, goes on waiting, or is skipped."""
        reason = "" if id in self._falling_back else self._skip_reason(self.steps[id])
        if reason:
            self.open.discard(id)
            return [(id, reason)]
        if not self.waits_for[id]:
            self.ready.append(id)
        return []

    def _skip_reason(self, step: Step) -> str:
        """Why a step is skipped: at once if something it needs has failed; for what is absent, once all is known."""
        if not self.failed_by and step.id in self._subplan.certain:
            return ""
        for edge in step.needed_edges:
            state, cause = self._presence(edge)
            if state == Presence.FAILED:
                self.failed_by[step.id] = cause
                return f"step '{cause}' failed"
        if self.waits_for[step.id]:
            return ""
        for name, edge in step.edges.items():
            if self._presence(edge)[0] == Presence.ABSENT and (name in step.each or step.requires(name)):
                self.made[step.id] = dict.fromkeys(step.outputs, ABSENT)
                return f"its input '{name}' ({edge}) is absent"
        return ""

    def _presence(self, edge: Edge) -> tuple[Presence, str]:
        """Whether what comes along an edge is there, pending, absent or failed (and by whose failure)."""
        if edge.form == "rows" and self.inputs.rows is not None:
            return Presence.THERE, ""
        states = [self._presence_of(source) for source in edge.sources]
        if edge.form == "rows" or edge.holed:  # what is absent is left out, or leaves a hole; of a row, a failure, too
            passed = Presence.FAILED if edge.form == "rows" and edge.holed else Presence.ABSENT
            states = [state if state[0] not in (passed, Presence.ABSENT) else (Presence.THERE, "") for state in states]
        if edge.form == "filled" and states[1][0] == Presence.ABSENT:
            states = states[:1]
        if edge.form == "first":
            found = [state for state in states if state[0] in (Presence.THERE, Presence.PENDING)]
            states = found[:1] or states  # those before it are absent, or failed
        return min(states, key=lambda state: state[0], default=(Presence.THERE, ""))

    def _presence_of(self, source: Source) -> tuple[Presence, str]:
        if source.port and source.name in self.failed_by:
            return Presence.FAILED, self.failed_by[source.name]
        if source.port and source.name not in self.made:
            return Presence.PENDING, ""
        relay = None if source.port else self._plan.relays.get(source.name)
        if relay is not None and relay.edge is not None:
            state = self._presence(relay.edge)
            return (Presence.THERE, "") if state[0] == Presence.ABSENT and relay.fills and not relay.each else state
        return (Presence.ABSENT if self.inputs.of(source).absent else Presence.THERE), ""

    def _made(self, source: Source) -> Artifact:
        if source.name in self.made:
            return self.made[source.name][source.port]
        if source.name in self.failed_by:
            return ABSENT  # who reads it all the same takes something else instead
        if self._promised is None:
            raise KeyError(source.name)
        return self._promised(source)

    def _value(self, edge: Edge) -> Any:
        self.inputs.admit([edge])
        return unpack(self.inputs.artifact(edge), fetched, self.inputs.store)
