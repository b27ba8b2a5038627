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
from studio.values.measures import Measures

__all__ = ["PARTS", "Span", "StepHistory", "Timeline", "WorkSpan", "in_lanes"]

PARTS = ("queue", "load", "transfer", "compute", "encode")  # what a task's time goes to, in order
_NOTABLE = 0.001  # seconds
_SPANS = (("read", "transfer"), ("compute", "compute"), ("encode", "encode"))  # a worker's word, and ours


@dataclass(frozen=True)
class Span:
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
class WorkSpan:
    """The uninterrupted work of one worker on a step or an element: spans, from loading to encoding."""

    parts: tuple[Span, ...]

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
class StepHistory:
    """What happened to one step, or to one of its elements."""

    step: str
    element: int | None = None
    status: str = "open"  # until it is done, cached, replaced, failed or skipped
    began: float = 0.0  # when its inputs were there
    ended: float = 0.0
    worker: int = -1
    measures: Measures = field(default_factory=Measures)  # of a cached step, what it once took
    key: str = ""
    message: str = ""
    trace: str = ""
    log: str = ""
    restarts: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    _open: tuple[str, float] | None = None  # the part that lasts at the moment, and since when

    @property
    def seconds(self) -> float:
        """Seconds in the node's own code; of a cached step, those that it once took."""
        return self.measures.seconds

    @property
    def work_spans(self) -> Iterator[WorkSpan]:
        """Its work, apart wherever it waited in between."""
        for waits, parts in groupby(self.spans, lambda span: span.part == "queue"):
            if not waits:
                yield WorkSpan(tuple(parts))

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
        first = max(self.began, min(event.measures.began or started, event.at))
        self._open = None
        self.spans = [_until(span, first) for span in self.spans if span.start < first]
        if not self.spans and self.began < first:
            self.spans.append(Span(self.step, self.element, "queue", self.began, first))
        self._measured(first, event)
        self.worker = event.measures.worker
        self.spans = [_by(span, self.worker) for span in self.spans]
        self.end("done", event.at)

    def _measured(self, at: float, event: StepFinished) -> None:
        spans = event.measures.spans or {"compute": event.seconds}
        for name, part in _SPANS:
            end = min(at + spans.get(name, 0.0), max(event.at, at))
            if end > at:
                self.spans.append(Span(self.step, self.element, part, at, end))
            at = end

    def _close(self, at: float) -> None:
        if self._open and at > self._open[1]:
            self.spans.append(Span(self.step, self.element, self._open[0], self._open[1], at))
        self._open = None


class Timeline:
    """Hears the events of a run, and knows what happened when."""

    def __init__(self) -> None:
        self.graph = ""
        self.began = 0.0
        self.ended = 0.0  # 0 while the run lasts
        self.steps: tuple[str, ...] = ()
        self.warnings: list[Warned] = []
        self._histories: dict[tuple[str, int | None], StepHistory] = {}

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
                self._step(self.history(event.step, event.element), event)

    def history(self, step: str, element: int | None = None) -> StepHistory:
        """What happened to a step, or to one of its elements."""
        return self._histories.setdefault((step, element), StepHistory(step, element))

    def elements(self, step: str) -> list[StepHistory]:
        """What happened to the elements of a step, in their order."""
        found = [(element, history) for (id, element), history in self._histories.items() if id == step]
        return [history for _, history in sorted((e, c) for e, c in found if e is not None)]

    def spans(self, step: str | None = None) -> list[Span]:
        """Where the time went (of one step), in order; of a step with elements, where theirs did."""
        found = [span for history in self._leaves(step) for span in history.spans]
        return sorted(found, key=_when)

    def work_spans(self, step: str | None = None) -> list[WorkSpan]:
        """What workers did (for one step), in order."""
        return sorted((work_span for history in self._leaves(step) for work_span in history.work_spans), key=_when)

    def _leaves(self, step: str | None) -> list[StepHistory]:
        """The elements of steps that have some, and the steps that have none."""
        parted = {id for id, element in self._histories if element is not None}
        return [
            history
            for (id, element), history in self._histories.items()
            if step in (None, id) and (element is not None or id not in parted)
        ]

    @property
    def end(self) -> float:
        """When the run ended, or the last that is known of it."""
        return self.ended or max([self.began, *(history.ended for history in self._histories.values())])

    @property
    def seconds(self) -> float:
        """How long the run took."""
        return self.end - self.began

    def spent(self, step: str) -> float:
        """Seconds of workers that a step took, waiting left out."""
        return sum(span.seconds for span in self.spans(step) if span.part != "queue")

    def slowest(self) -> str:
        """The step that took most of the workers' time; nothing if none took any to speak of."""
        spent = {id: self.spent(id) for id in self.steps}
        slowest = max(spent, key=spent.__getitem__, default="")
        return slowest if spent.get(slowest, 0.0) > _NOTABLE else ""

    def critical(self, needs: Mapping[str, Iterable[str]]) -> list[str]:
        """The chain of steps that the end of the run waited for, given what each step needs."""
        ended = {id: self.history(id).ended for id in needs if self.history(id).status in ("done", "cached", "failed")}
        chain: list[str] = []
        pending = list(ended)
        while pending:
            chain.append(max(pending, key=ended.__getitem__))
            pending = [need for need in needs[chain[-1]] if need in ended]
        return chain[::-1]

    def _step(self, history: StepHistory, event: StepEvent) -> None:
        match event:
            case StepWaiting():
                history.turn("queue", event.at)
            case StepLoading():
                history.turn("load", event.at)
            case StepStarted():
                history.turn("compute", event.at)
            case StepRestarted(reason=reason):
                history.restarts.append(reason)
                history.turn("queue", event.at)
            case StepCached(key=key, measures=measures):
                history.key, history.measures = key, measures
                history.end("cached", event.at)
            case StepFinished(key=key, measures=measures, log=log):
                history.key, history.measures, history.log = key, measures, log
                history.finish(event)
            case StepFailed(message=message, trace=trace, log=log):
                history.message, history.trace, history.log = message, trace, log
                history.end("failed", event.at)
            case StepReplaced(message=message, trace=trace, log=log, outputs=instead):
                history.message, history.trace, history.log = message, trace, log
                history.end("replaced" if instead else "skipped", event.at)
            case StepSkipped(reason=reason):
                history.message = reason
                history.end("skipped", event.at)


def in_lanes(work_spans: Iterable[WorkSpan]) -> list[list[WorkSpan]]:
    """Spells side by side: as few lanes as will do for none to overlap another in its own."""
    lanes: list[list[WorkSpan]] = []
    for work_span in sorted(work_spans, key=_when):
        free = next((lane for lane in lanes if lane[-1].end <= work_span.start), None)
        if free is None:
            lanes.append([work_span])
        else:
            free.append(work_span)
    return lanes


def _when(what: Span | WorkSpan) -> tuple[float, float]:
    return (what.start, what.end)


def _until(span: Span, at: float) -> Span:
    return Span(span.step, span.element, span.part, span.start, min(span.end, at))


def _by(span: Span, worker: int) -> Span:
    return Span(span.step, span.element, span.part, span.start, span.end, worker)
