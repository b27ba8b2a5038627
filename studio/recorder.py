"""Recorder: puts results on record, while others are computed where there are many. It knows no plan and no executor.

Nobody else computes a key meanwhile: the lease is given back only when its record is there. Where leases
do not hold, the record that was there first stays, and both are right.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from studio.cache import Cache, Record
from studio.passage import Attempt
from studio.worker import Done

__all__ = ["Recorder"]

_MOST_WAITING = 256  # results; with more, who gives one writes it


class Recorder:
    """Keeps what attempts gave, from the one thread of an engine."""

    def __init__(self, cache: Cache, failed: Callable[[str], None], many: bool) -> None:
        """With `many`, a thread of its own does it. `failed` hears why nothing can be kept, from any thread."""
        self._cache, self._failed = cache, failed
        self._waiting: queue.SimpleQueue[tuple[Attempt, Done, bool] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="studio-records") if many else None
        self._keeping = True

    def keep(self, attempt: Attempt, done: Done, replace: bool) -> None:
        """Keeps a result, at once or soon."""
        if self._thread is None or self._waiting.qsize() > _MOST_WAITING:
            self._keep(attempt, done, replace)
            return
        if not self._thread.is_alive():
            self._thread.start()
        self._waiting.put((attempt, done, replace))

    def stop(self) -> None:
        """From now on nothing is kept."""
        self._keeping = False

    def close(self) -> None:
        """Waits until all is kept."""
        if self._thread is not None and self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            self._keep(*waiting)

    def _keep(self, attempt: Attempt, done: Done, replace: bool) -> None:
        if self._keeping and attempt.key and attempt.basis and not done.unkept:
            at_rest = {name: artifact.at_rest() for name, artifact in done.outputs.items()}
            parts = attempt.basis.with_inputs(attempt.inputs)
            try:
                self._cache.save(Record(attempt.key, parts, at_rest, done.seconds, time.time()), replace=replace)
            except OSError as error:
                self.stop()
                self._failed(str(error))
        if attempt.leased:
            self._cache.leases.give(attempt.key)
            attempt.leased = False
