"""Recorder: puts results on record, while others are computed where there are many. It knows no plan and no executor.

Nobody else computes a key meanwhile: the lease is given back only when its record is there. Where leases
do not hold, the record that was there first stays, and both are right.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from studio.cache import Basis, Cache, Record
from studio.store import Artifact

__all__ = ["Made", "Recorder"]

_MOST_WAITING = 256  # results; with more, who gives one writes it


class Made(NamedTuple):
    """What came of a task, to be put on record."""

    key: str
    basis: Basis | None  # nothing, if it cannot be kept
    inputs: Mapping[str, Artifact]
    outputs: Mapping[str, Artifact]
    seconds: float  # that it took
    replace: bool  # whatever is on record
    leased: bool  # whether a lease is to be given back


class Recorder:
    """Keeps what tasks gave, from the one thread of an engine."""

    def __init__(self, cache: Cache, failed: Callable[[str], None], many: bool) -> None:
        """With `many`, a thread of its own does it. `failed` hears why nothing can be kept, from any thread."""
        self._cache, self._failed = cache, failed
        self._waiting: queue.SimpleQueue[Made | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="studio-records") if many else None
        self._keeping = True

    def keep(self, made: Made) -> None:
        """Keeps a result, at once or soon, and gives its lease back."""
        if self._thread is None or self._waiting.qsize() > _MOST_WAITING:
            self._keep(made)
            return
        if not self._thread.is_alive():
            self._thread.start()
        self._waiting.put(made)

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
            self._keep(waiting)

    def _keep(self, made: Made) -> None:
        key, basis, inputs, outputs, seconds, replace, leased = made
        if self._keeping and basis:
            at_rest = {name: artifact.at_rest() for name, artifact in outputs.items()}
            try:
                record = Record(key, basis.with_inputs(inputs), at_rest, seconds, time.time(), basis.step)
                self._cache.save(record, replace=replace)
            except OSError as error:
                self.stop()
                self._failed(str(error))
        if leased:
            self._cache.leases.give(key)
