"""Timeline: when each step of a run waited, loaded, read, computed and encoded, and on which worker.

It is made of events alone. Clocks of other machines may differ from ours, so what a worker says about
its own time is kept within what we saw of the task from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from studio.run.events import (
    Event,
    RunFinished,
    RunStarted,
    StepCached,
    StepEvent,
    StepFailed,
    StepFinished,
    StepLoading,
    StepReplaced,
    StepRestarted,
    StepSkipped,
    StepStarted,
    StepWaiting,
    Warned,
)

__all__ = ["PARTS", "Course", "Spell", "Stretch", "Timeline", "in_lanes"]

PARTS = ("queue", "load", "transfer", "compute", "encode")  # what a task's time goes to, in order
_NOTABLE = 0.001  # seconds
_SPANS = (("read", "transfer"), ("compute", "compute"), ("encode", "encode"))  # a worker's word, and ours


@dataclass(frozen=True)
class Stretch:
    """Some time of one step (or of one of its elements) that went to one of PARTS."""

    step: str
    element: int | None
    part: str
    start: float  # seconds since the epoch
    end: float
    worker: int = -1

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Spell:
    """The uninterrupted work of one worker on a step or an element: stretches, from loading to encoding."""

    parts: tuple[Stretch, ...]

    @property
    def step(self) -> str:
        return self.parts[0].step

    @property
    def element(self) -> int | None:
        return self.parts[0].element

    @property
    def worker(self) -> int:
        return self.parts[0].worker

    @property
    def start(self) -> float:
        return self.parts[0].start

    @property
    def end(self) -> float:
        return self.parts[-1].end


@dataclass
class Course:
    """What happened to one step, or to one of its elements."""

    step: str
    element: int | None = None
    status: str = "open"  # until it is done, cached, replaced, failed or skipped
    began: float = 0.0  # when its inputs were there
    ended: float = 0.0
    worker: int = -1
    seconds: float = 0.0  # in the node's own code; of a cached step, what it once took
    key: str = ""
    message: str = ""
    trace: str = ""
    log: str = ""
    restarts: list[str] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    _open: tuple[str, float] | None = None  # the part that lasts at the moment, and since when

    @property
    def spells(self) -> Iterator[Spell]:
        """Its work, apart wherever it waited in between."""
        for waits, parts in groupby(self.stretches, lambda stretch: stretch.part == "queue"):
            if not waits:
                yield Spell(tuple(parts))

    def turn(self, part: str, at: float) -> None:
        """From now on its time goes to another part."""
        self._close(at)
        self.began = self.began or at
        self._open = (part, at)

    def end(self, status: str, at: float) -> None:
        """It came to its end."""
        self._close(at)
        self.status, self.ended = status, at
        self.began = self.began or at

    def finish(self, event: StepFinished) -> None:
        """It is done: what the worker measured is finer than what was seen from outside."""
        started = self._open[1] if self._open else event.at
        first = max(self.began, min(event.began or started, event.at))
        self._open = None
        self.stretches = [_until(stretch, first) for stretch in self.stretches if stretch.start < first]
        if not self.stretches and self.began < first:
            self.stretches.append(Stretch(self.step, self.element, "queue", self.began, first))
        self._measured(first, event)
        self.worker = event.worker
        self.stretches = [_by(stretch, event.worker) for stretch in self.stretches]
        self.end("done", event.at)

    def _measured(self, at: float, event: StepFinished) -> None:
        spans = event.spans or {"compute": event.seconds}
        for name, part in _SPANS:
            end = min(at + spans.get(name, 0.0), max(event.at, at))
            if end > at:
                self.stretches.append(Stretch(self.step, self.element, part, at, end))
            at = end

    def _close(self, at: float) -> None:
        if self._open and at > self._open[1]:
            self.stretches.append(Stretch(self.step, self.element, self._open[0], self._open[1], at))
        self._open = None


class Timeline:
    """Hears the events of a run, and knows what happened when."""

    def __init__(self) -> None:
        self.graph = ""
        self.began = 0.0
        self.ended = 0.0  # 0 while the run lasts
        self.steps: tuple[str, ...] = ()
        self.warnings: list[Warned] = []
        self._courses: dict[tuple[str, int | None], Course] = {}

    def hear(self, event: Event) -> None:
        """Takes in one event."""
        match event:
            case RunStarted(graph=graph, steps=steps):
                self.graph, self.steps, self.began = graph, steps, event.at
            case Warned():
                self.warnings.append(event)
            case RunFinished():
                self.ended = event.at
            case StepEvent():
                if event.step not in self.steps:
                    self.steps += (event.step,)  # what stands in for a failed step is needed only now
                self._step(self.course(event.step, event.element), event)

    def course(self, step: str, element: int | None = None) -> Course:
        """What happened to a step, or to one of its elements."""
        return self._courses.setdefault((step, element), Course(step, element))

    def elements(self, step: str) -> list[Course]:
        """What happened to the elements of a step, in their order."""
        found = [(element, course) for (id, element), course in self._courses.items() if id == step]
        return [course for _, course in sorted((e, c) for e, c in found if e is not None)]

    def stretches(self, step: str | None = None) -> list[Stretch]:
        """Where the time went (of one step), in order; of a step with elements, where theirs did."""
        found = [stretch for course in self._leaves(step) for stretch in course.stretches]
        return sorted(found, key=_when)

    def spells(self, step: str | None = None) -> list[Spell]:
        """What workers did (for one step), in order."""
        return sorted((spell for course in self._leaves(step) for spell in course.spells), key=_when)

    def _leaves(self, step: str | None) -> list[Course]:
        """The elements of steps that have some, and the steps that have none."""
        parted = {id for id, element in self._courses if element is not None}
        return [
            course
            for (id, element), course in self._courses.items()
            if step in (None, id) and (element is not None or id not in parted)
        ]

    @property
    def end(self) -> float:
        """When the run ended, or the last that is known of it."""
        return self.ended or max([self.began, *(course.ended for course in self._courses.values())])

    @property
    def seconds(self) -> float:
        """How long the run took."""
        return self.end - self.began

    def spent(self, step: str) -> float:
        """Seconds of workers that a step took, waiting left out."""
        return sum(stretch.seconds for stretch in self.stretches(step) if stretch.part != "queue")

    def slowest(self) -> str:
        """The step that took most of the workers' time; nothing if none took any to speak of."""
        spent = {id: self.spent(id) for id in self.steps}
        slowest = max(spent, key=spent.__getitem__, default="")
        return slowest if spent.get(slowest, 0.0) > _NOTABLE else ""

    def critical(self, needs: Mapping[str, Iterable[str]]) -> list[str]:
        """The chain of steps that the end of the run waited for, given what each step needs."""
        ended = {id: self.course(id).ended for id in needs if self.course(id).status in ("done", "cached", "failed")}
        chain: list[str] = []
        pending = list(ended)
        while pending:
            chain.append(max(pending, key=ended.__getitem__))
            pending = [need for need in needs[chain[-1]] if need in ended]
        return chain[::-1]

    def _step(self, course: Course, event: StepEvent) -> None:
        match event:
            case StepWaiting():
                course.turn("queue", event.at)
            case StepLoading():
                course.turn("load", event.at)
            case StepStarted():
                course.turn("compute", event.at)
            case StepRestarted(reason=reason):
                course.restarts.append(reason)
                course.turn("queue", event.at)
            case StepCached(key=key, seconds=seconds):
                course.key, course.seconds = key, seconds
                course.end("cached", event.at)
            case StepFinished(key=key, seconds=seconds, log=log):
                course.key, course.seconds, course.log = key, seconds, log
                course.finish(event)
            case StepFailed(message=message, trace=trace, log=log):
                course.message, course.trace, course.log = message, trace, log
                course.end("failed", event.at)
            case StepReplaced(message=message, trace=trace, log=log, outputs=instead):
                course.message, course.trace, course.log = message, trace, log
                course.end("replaced" if instead else "skipped", event.at)
            case StepSkipped(reason=reason):
                course.message = reason
                course.end("skipped", event.at)


def in_lanes(spells: Iterable[Spell]) -> list[list[Spell]]:
    """Spells side by side: as few lanes as will do for none to overlap another in its own."""
    lanes: list[list[Spell]] = []
    for spell in sorted(spells, key=_when):
        free = next((lane for lane in lanes if lane[-1].end <= spell.start), None)
        if free is None:
            lanes.append([spell])
        else:
            free.append(spell)
    return lanes


def _when(what: Stretch | Spell) -> tuple[float, float]:
    return (what.start, what.end)


def _until(stretch: Stretch, at: float) -> Stretch:
    return Stretch(stretch.step, stretch.element, stretch.part, stretch.start, min(stretch.end, at))


def _by(stretch: Stretch, worker: int) -> Stretch:
    return Stretch(stretch.step, stretch.element, stretch.part, stretch.start, stretch.end, worker)
