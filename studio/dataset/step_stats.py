"""StepStats and RunStats: what the steps of a run over a data set have done so far, in a few counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from studio.executors.task import Done, RowOutcomes
from studio.language.plan import Step
from studio.run.events import StepEvent, StepFailed, StepReplaced, StepSkipped
from studio.values.measures import Measures

__all__ = ["RunStats", "StepStats"]

_COUNTS = ("done", "cached", "failed", "skipped", "replaced")
_GRAIN = 1.1  # two durations that differ by less count as one
_GRAINS = 1 / math.log(_GRAIN)
_SWAY = 0.05  # by which share of the difference a new duration moves the pace


class StepStats:
    """One step: how its tasks ended (those of its elements, where it has `each`), and how long they took."""

    def __init__(self, step: Step) -> None:
        self.step = step.id
        self.node = step.definition.name
        self.each = bool(step.each)
        self.workers = step.replicas or 1
        self.done = self.cached = self.failed = self.skipped = self.replaced = 0
        self.waiting = 0  # on their way to a worker, or on one
        self.seconds = 0.0  # that the computed ones took
        self.saved = 0.0  # that the cached ones once took
        self.pace: float | None = None  # seconds that a task took lately, or once took where it was known
        self.batches: Counter[int] = Counter()  # tasks, by how many were computed together
        self.numbers: Counter[str] = Counter()  # what its node measured, of all computed tasks
        self._durations: Counter[int] = Counter()  # tasks, by the logarithm of what they took

    def knew(self, measures: Measures) -> None:
        """The outputs of a task were known, and what they once took."""
        self.cached += 1
        self.saved += measures.seconds
        self._lately(measures.seconds)

    def took(self, done: Done) -> None:
        """A task was computed."""
        self.done += 1
        self.waiting -= 1
        took = done.measures
        self.seconds += took.seconds
        self.batches[took.batch] += 1
        self._durations[_bucket(took.seconds)] += 1
        self._lately(took.spent)
        self._count(took.numbers)

    def took_together(self, rows: RowOutcomes) -> None:
        """Rows of a chunk were computed; those that failed go on waiting."""
        seconds = [took for took in rows.seconds if took is not None]
        self.done += len(seconds)
        self.waiting -= len(seconds)
        self.seconds += sum(seconds)
        self.batches.update(rows.batches)
        for numbers in rows.numbers.values():
            self._count(numbers)
        self._durations.update(map(_bucket, seconds))
        if seconds:
            self._lately(rows.spent / len(seconds), len(seconds))

    def _count(self, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            self.numbers[name] += number  # type: ignore[assignment]  # a Counter counts floats as well

    def _lately(self, seconds: float, tasks: int = 1) -> None:
        before = seconds if self.pace is None else self.pace
        share = max(_SWAY, 1 / (self.done + self.cached)) * tasks  # at first the mean: a worker's first task is slow
        self.pace = before + min(1.0, share) * (seconds - before)

    @property
    def counted(self) -> str:
        """What its node measured, in words."""
        return Measures(numbers=self.numbers).counted

    def percentile(self, share: float) -> float:
        """The seconds that this share of the tasks stayed below, to a tenth of it."""
        left = share * self._durations.total()
        for bucket in sorted(self._durations):
            left -= self._durations[bucket]
            if left <= 0:
                return float(_GRAIN**bucket)
        return 0.0

    @property
    def ended(self) -> int:
        """Tasks that came to an end."""
        return self.done + self.cached + self.failed

    @property
    def fill(self) -> float:
        """How many tasks were computed together, on average."""
        batches = sum(count / size for size, count in self.batches.items())
        return self.batches.total() / batches if batches else 0.0

    def figures(self) -> dict[str, Any]:
        """All that was counted, as plain data to keep: what two sessions counted can be added."""
        counted: dict[str, Any] = {"batches": dict(self.batches), "durations": dict(self._durations)}
        counted |= {"numbers": dict(self.numbers)} if self.numbers else {}
        return {name: getattr(self, name) for name in (*_COUNTS, "seconds", "saved")} | counted

    def add(self, figures: Mapping[str, Any]) -> None:
        """Counts what an earlier session counted, too."""
        for name in (*_COUNTS, "seconds", "saved"):
            setattr(self, name, getattr(self, name) + figures[name])
        self._count(figures.get("numbers", {}))
        for counter, name in ((self.batches, "batches"), (self._durations, "durations")):
            counter.update({int(key): count for key, count in figures[name].items()})

    def as_data(self) -> dict[str, Any]:
        """As plain data."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        times = {"seconds": round(self.seconds, 4), "p50": self.percentile(0.5), "p95": self.percentile(0.95)}
        numbers = {"numbers": dict(self.numbers)} if self.numbers else {}
        return {
            "node": self.node, **counts, **times, "saved": round(self.saved, 4), "batch": round(self.fill, 2), **numbers
        }  # fmt: skip


def _bucket(seconds: float) -> int:
    return math.ceil(math.log(max(seconds, 1e-6)) * _GRAINS)


class RunStats:
    """All of them, in the order of the plan."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = {step.id: step for step in steps}
        self.of = {id: StepStats(step) for id, step in self._steps.items()}

    def of_these(self, counted: Collection[str]) -> RunStats:
        """The same, where what becomes of other steps does not count."""
        stats = RunStats(self._steps.values())
        stats.of |= {id: self.of[id] for id in counted}
        return stats

    @property
    def pace(self) -> float:
        """Seconds that a task lately took where it takes longest; without end, while that is not known of all."""
        return max(
            (math.inf if step_stats.pace is None else step_stats.pace for step_stats in self.of.values()),
            default=math.inf,
        )

    @property
    def slowest(self) -> StepStats | None:
        """The step that takes the longest for all its items, over the workers that it may have."""
        busy = [step_stats for step_stats in self.of.values() if step_stats.done]
        return max(busy, key=lambda step_stats: step_stats.seconds / step_stats.workers, default=None)

    def figures(self) -> dict[str, Any]:
        """All that was counted, step by step, as plain data to keep."""
        return {id: step_stats.figures() for id, step_stats in self.of.items()}

    def add(self, figures: Mapping[str, Any]) -> None:
        """Counts what an earlier session counted, too; a step that the graph has no more is left out."""
        for id in figures.keys() & self.of.keys():
            self.of[id].add(figures[id])

    def hear(self, event: StepEvent) -> None:
        """Takes in what happens to few: tasks that are computed or known are counted one by one, and not by events."""
        step_stats = self.of[event.step]
        if step_stats.each and event.element is None and not isinstance(event, StepSkipped | StepReplaced):
            return
        match event:
            case StepFailed():
                step_stats.failed += 1
                step_stats.waiting -= 1
            case StepSkipped():
                step_stats.skipped += 1
            case StepReplaced():
                step_stats.replaced += 1
