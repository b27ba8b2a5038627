"""Chart: a timeline as rows of bars, each bar by where it stands in hundredths of the run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from studio.page.phrases import seconds_of
from studio.run.timeline import Span, Timeline, WorkSpan, in_lanes

__all__ = ["Bar", "ChartRow", "by_step", "by_worker", "ticks"]

_MOST_BARS = 400  # of a row; more would be finer than a screen
_MOST_LANES = 4


@dataclass(frozen=True)
class Bar:
    """Some time of a step: where it is, how wide, what it went to, and all of that in words."""

    left: float
    width: float
    part: str
    title: str
    text: str = ""


@dataclass(frozen=True)
class ChartRow:
    """A name, and bars in lanes that do not overlap."""

    name: str
    lanes: tuple[tuple[Bar, ...], ...]
    note: str = ""
    mark: float | None = None  # where a step that took no time stands


def by_step(timeline: Timeline, inline: Iterable[str] = ()) -> list[ChartRow]:
    """A row a step, in the order of the graph."""
    return [_step(timeline, step, step in set(inline)) for step in timeline.steps]


def by_worker(timeline: Timeline, inline: Iterable[str] = ()) -> list[ChartRow]:
    """A row a worker, with the steps it ran."""
    found: dict[tuple[bool, int], list[WorkSpan]] = {}
    here = set(inline)
    for work_span in timeline.work_spans():
        elsewhere = work_span.step not in here
        found.setdefault((elsewhere, work_span.worker if elsewhere else -1), []).append(work_span)
    return [
        ChartRow(_worker(number, inline=not elsewhere), tuple(_whole(timeline, lane) for lane in in_lanes(work_spans)))
        for (elsewhere, number), work_spans in sorted(found.items(), key=lambda each: each[0])
    ]


def ticks(seconds: float) -> list[tuple[float, str]]:
    """Round times along a run, and where each stands in hundredths."""
    if seconds <= 0:
        return []
    raw = seconds / 5
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(base * each for each in (1, 2, 5, 10) if base * each >= raw)
    scale, unit = (1000, "ms") if step < 0.1 else (1, "s")
    times = [number * step for number in range(int(seconds / step) + 1)]
    return [(100 * time / seconds, f"{time * scale:.4g} {unit}") for time in times]


def _step(timeline: Timeline, step: str, inline: bool) -> ChartRow:
    history = timeline.history(step)
    waits = [span for span in timeline.spans(step) if span.part == "queue"]
    lanes = in_lanes(timeline.work_spans(step))
    drawn = [
        tuple(_bar(timeline, part) for work_span in lane for part in work_span.parts)[:_MOST_BARS] for lane in lanes
    ]
    first = tuple(_bar(timeline, wait) for wait in waits[:_MOST_BARS])
    rows = (first + (drawn[0] if drawn else ()), *drawn[1:_MOST_LANES])
    workers = {_worker(work_span.worker, inline=inline) for lane in lanes for work_span in lane}
    mark = None if drawn or not history.ended else _place(timeline, history.ended)
    return ChartRow(step, tuple(row for row in rows if row), ", ".join(sorted(workers)), mark)


def _whole(timeline: Timeline, lane: list[WorkSpan]) -> tuple[Bar, ...]:
    bars = []
    for work_span in lane[:_MOST_BARS]:
        name = work_span.step if work_span.element is None else f"{work_span.step}[{work_span.element}]"
        left, width = _place(timeline, work_span.start), _share(timeline, work_span.end - work_span.start)
        bars.append(
            Bar(
                left, width, "task", f"{name}: {seconds_of(work_span.end - work_span.start)}", name if width > 8 else ""
            )
        )
    return tuple(bars)


def _bar(timeline: Timeline, span: Span) -> Bar:
    name = span.step if span.element is None else f"{span.step}[{span.element}]"
    start = span.start - timeline.began
    title = f"{name} · {span.part}: {seconds_of(span.seconds)}, from {seconds_of(start)}"
    return Bar(_place(timeline, span.start), _share(timeline, span.seconds), span.part, title)


def _place(timeline: Timeline, at: float) -> float:
    return min(100.0, max(0.0, _share(timeline, at - timeline.began)))


def _share(timeline: Timeline, seconds: float) -> float:
    return 100 * seconds / (timeline.seconds or 1.0)


def _worker(number: int, inline: bool) -> str:
    return "this process" if inline else f"worker {number}" if number >= 0 else "unknown worker"
