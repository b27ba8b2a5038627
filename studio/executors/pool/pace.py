"""Pace: how long the tasks of a recipe take, as measured, and how many of them a call is worth. Bookkeeping alone."""

from __future__ import annotations

from collections.abc import Iterable

from studio.executors.task import Done, Outcome

__all__ = ["Pace"]

_CALL = 0.1  # seconds that the tasks of a call may take in all, where they are not computed together
_MOST = 128  # tasks in such a call


class Pace:
    """Seconds a task, by the key of its recipe. What was never measured is taken to last for ever."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._tried: dict[str, int] = {}  # tasks in the largest call so far

    def of(self, key: str) -> float:
        """Seconds that a task takes: reading, computing and encoding."""
        return self._seconds.get(key, float("inf"))

    def most(self, key: str) -> int:
        """How many tasks to give at once: never more than twice of what was tried, for one measure may mislead."""
        seconds = self._seconds.get(key)
        return 1 if seconds is None else max(1, min(_MOST, int(_CALL / seconds), 2 * self._tried[key]))

    def learn(self, key: str, outcomes: Iterable[Outcome]) -> None:
        """What a call took, by what its tasks say of themselves. Slower is believed at once, quicker by half."""
        took, count = 0.0, 0
        for done in outcomes:
            if isinstance(done, Done):
                rows = done.rows
                took += done.spent
                count += len(rows.seconds) - rows.seconds.count(None) if rows else 1
        if not took:
            return
        mean = took / count
        known = self._seconds.get(key, mean)
        self._seconds[key] = mean if mean > known else (mean + known) / 2
        self._tried[key] = max(count, self._tried.get(key, 1))
