"""Trace: a run in Chrome's trace format, which Perfetto and chrome://tracing open.

Each worker has a row (or several, where it did several tasks at a time); what waits has rows of its
own, as it may wait beside anything; steps that were cached are marks on the first row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from studio.run.events import Event
from studio.run.timeline import Span, StepHistory, Timeline, WorkSpan, in_lanes

__all__ = ["Trace"]

_STEPS = 0  # the row of what no worker did
_LANES = 1000  # rows kept for the lanes of one worker
_HERE = "this process"  # where steps run that are inline


class Trace:
    """Hears the events of a run, and writes them as a trace.

    inline: the steps that run in this process, whatever the executor.
    """

    def __init__(self, inline: Iterable[str] = ()) -> None:
        self._timeline = Timeline()
        self._inline = frozenset(inline)

    def hear(self, event: Event) -> None:
        """Takes in one event of the run."""
        self._timeline.hear(event)

    def as_data(self) -> dict[str, Any]:
        """The trace as plain data: times in microseconds since the run began."""
        events = [*self._names(), *self._waits(), *self._work(), *self._marks()]
        about = {"graph": self._timeline.graph, "began": self._timeline.began, "seconds": self._timeline.seconds}
        return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": about}

    def save(self, path: str | Path) -> Path:
        """Writes a JSON file."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_data(), ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    def _names(self) -> Iterator[dict[str, Any]]:
        yield _named("process_name", _STEPS, f"run of {self._timeline.graph}")
        yield _named("thread_name", _STEPS, "steps")
        for worker, rows in self._rows().items():
            for number, row in enumerate(rows):
                yield _named("thread_name", row, worker + (f" ({number + 1})" if number else ""))

    def _waits(self) -> Iterator[dict[str, Any]]:
        """Waiting, as asynchronous slices: they may overlap anything."""
        for number, span in enumerate(self._timeline.spans()):
            if span.part == "queue":
                common = {"cat": "queue", "id": number, "name": f"{_title(span)} waits", "pid": 1, "tid": _STEPS}
                yield {**common, "ph": "b", "ts": self._time(span.start), "args": _about(span)}
                yield {**common, "ph": "e", "ts": self._time(span.end)}

    def _work(self) -> Iterator[dict[str, Any]]:
        """What workers did: a slice a task, and inside it one for each part of it."""
        rows = self._rows()
        for name, lanes in self._lanes().items():
            for row, lane in zip(rows[name], lanes, strict=True):
                for work_span in lane:
                    yield self._slice(work_span, _title(work_span), "task", row)
                    for part in work_span.parts:
                        yield self._slice(part, part.part, part.part, row)

    def _marks(self) -> Iterator[dict[str, Any]]:
        for step in self._timeline.steps:
            for history in (self._timeline.history(step), *self._timeline.elements(step)):
                if history.status in ("cached", "replaced", "failed", "skipped"):
                    yield self._mark(
                        f"{_title(history)} {history.status}", history.status, history.ended, _told(history)
                    )
        for warned in self._timeline.warnings:
            yield self._mark("warning", "warning", warned.at, {"message": warned.message})

    def _mark(self, name: str, category: str, at: float, about: Mapping[str, Any]) -> dict[str, Any]:
        common = {"ph": "i", "s": "t", "pid": 1, "tid": _STEPS}
        return {**common, "name": name, "cat": category, "ts": self._time(at), "args": about}

    def _slice(self, span: Span | WorkSpan, name: str, category: str, row: int) -> dict[str, Any]:
        start, end = self._time(span.start), self._time(span.end)
        where = {"pid": 1, "tid": row, "ts": start, "dur": round(end - start, 1)}
        return {"ph": "X", "name": name, "cat": category, **where, "args": _about(span)}

    def _lanes(self) -> dict[str, list[list[WorkSpan]]]:
        """The work of each worker by its name, in lanes that hold one task at a time."""
        found: dict[tuple[bool, int], list[WorkSpan]] = {}
        for work_span in self._timeline.work_spans():
            found.setdefault((work_span.step not in self._inline, work_span.worker), []).append(work_span)
        named: dict[str, list[list[WorkSpan]]] = {}
        for (elsewhere, worker), work_spans in sorted(found.items(), key=lambda each: each[0]):
            name = _HERE if not elsewhere else "unknown worker" if worker < 0 else f"worker {worker}"
            named.setdefault(name, []).extend(in_lanes(work_spans))
        return named

    def _rows(self) -> dict[str, range]:
        lanes = self._lanes()
        return {
            name: range(_LANES * number, _LANES * number + len(lanes[name])) for number, name in enumerate(lanes, 1)
        }

    def _time(self, at: float) -> float:
        return round((at - self._timeline.began) * 1e6, 1)


def _named(what: str, row: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": 1, "tid": row, "args": {"name": name}}


def _title(of: Span | WorkSpan | StepHistory) -> str:
    return of.step if of.element is None else f"{of.step}[{of.element}]"


def _about(span: Span | WorkSpan) -> dict[str, Any]:
    about: dict[str, Any] = {"step": span.step}
    return about if span.element is None else {**about, "element": span.element}


def _told(history: StepHistory) -> dict[str, Any]:
    told = {"step": history.step, "key": history.key, "message": history.message}
    if history.status == "cached":
        return {**told, "seconds_saved": history.seconds}
    return told
