"""Workers that are being set up, from the decision to start them until they are ready. It knows no queue, no pool."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from studio.clock import Alarm
from studio.executors.pool.alarms import Alarms
from studio.executors.pool.calls import WorkerDied, most_deaths
from studio.executors.task import Failed, Recipe

__all__ = ["Started", "StartingWorker", "StartingWorkers"]


@dataclass(frozen=True)
class Started:
    """What a worker says once it is set up."""

    process: int = 0
    devices: tuple[int, ...] | None = None
    memory: int = 0  # bytes
    gpu_memory: int = 0  # bytes, on each of its devices


@dataclass(eq=False)
class StartingWorker:
    """A worker on its way."""

    recipe: Recipe
    began: float
    limit: Alarm
    wanted: bool = False  # even if no task waits for it


class StartingWorkers:
    """All that are on their way, and how often the last ones of a kind died before they were ready."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._starting: dict[int, StartingWorker] = {}
        self._failed_starts: dict[str, int] = {}  # in a row, by the key of their recipe

    def __len__(self) -> int:
        return len(self._starting)

    def begin(
        self, worker: int, recipe: Recipe, limit: float, on_never_ready: Callable[[int], None], wanted: bool
    ) -> None:
        """One more is on its way; `on_never_ready` hears of it if it still is after so many seconds."""
        alarm = self._alarms.after(limit, partial(on_never_ready, worker))
        self._starting[worker] = StartingWorker(recipe, time.monotonic(), alarm, wanted)

    def of(self, worker: int) -> StartingWorker | None:
        """What is known of a worker that is on its way; None of any other."""
        return self._starting.get(worker)

    def end(self, worker: int) -> StartingWorker | None:
        """A worker is on its way no more; None if it was not."""
        starting_worker = self._starting.pop(worker, None)
        if starting_worker is not None:
            starting_worker.limit.cancel()
        return starting_worker

    def unwanted(self, wanted: Callable[[str], bool]) -> list[int]:
        """Those that were started for tasks alone, where no task of that key is `wanted` any more."""
        return [
            worker
            for worker, starting_worker in self._starting.items()
            if not starting_worker.wanted and not wanted(starting_worker.recipe.key)
        ]

    def became_ready(self, recipe: Recipe) -> None:
        """A worker is ready: the deaths of those before it do not count any more."""
        self._failed_starts.pop(recipe.key, None)

    def failed_to_start(self, recipe: Recipe, error: BaseException) -> Failed | None:
        """A worker ended before it was ready: why no other is tried, or None if one is."""
        if not isinstance(error, WorkerDied):
            return Failed(f"{type(error).__name__}: {error}")
        deaths = self._failed_starts[recipe.key] = self._failed_starts.get(recipe.key, 0) + 1
        if deaths < most_deaths(error):
            return None
        del self._failed_starts[recipe.key]
        return Failed(f"its worker died {deaths} times, each time while it was set up: {error}", retryable=False)
