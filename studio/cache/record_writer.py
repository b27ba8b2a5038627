"""RecordWriter: puts results on record, many at a time where there are many. It knows no plan.

Whoever computes a key holds its lease, and hands it over with the result. The lease is given back here when the
record is there, or when it is certain that there will be none: before that, another process that gets the lease
would find no record, and compute the key again. Where leases do not hold, two compute the same key; then the
record that was there first stays, and both are right.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from studio.cache.cache import Cache
from studio.cache.record import Basis, Record
from studio.values.artifact import Artifact
from studio.values.measures import Measures

__all__ = ["PendingRecord", "RecordWriter"]

_MOST_WAITING = 256  # results that are kept together; when more wait, the engine writes them itself, and so slows down


class PendingRecord(NamedTuple):
    """What came of a task, to be put on record. Its blobs are in the store already."""

    key: str
    basis: Basis | None  # nothing, if it cannot be kept
    inputs: Mapping[str, Artifact]
    outputs: Mapping[str, Artifact]
    measures: Measures  # what it took
    replace: bool  # whatever is on record
    leased: bool  # whether a lease is to be given back


class RecordWriter:
    """Keeps what tasks gave. One thread, the engine's, gives it the results."""

    def __init__(self, cache: Cache, failed: Callable[[str], None], many: bool) -> None:
        """With `many`, a thread of its own writes. `failed` hears why nothing can be kept, from any thread."""
        self._cache, self._failed = cache, failed
        self._waiting: queue.SimpleQueue[PendingRecord | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="studio-records") if many else None
        self._keeping = True

    def keep(self, made: PendingRecord) -> None:
        """Keeps a result, at once or soon, and gives its lease back."""
        if self._thread is None:
            self._keep([made])
            return
        if not self._thread.is_alive():
            self._thread.start()
        if self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put(made)
        else:
            self._keep([*self._taken(), made])

    def stop(self) -> None:
        """From now on nothing is kept."""
        self._keeping = False

    def close(self) -> None:
        """Waits until all is kept."""
        if self._thread is not None and self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()
        self._cache.records.flush()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            self._keep([first, *self._taken()])

    def _taken(self) -> list[PendingRecord]:
        """What waits at this moment; the sign of the end is left for the next look."""
        taken: list[PendingRecord] = []
        with contextlib.suppress(queue.Empty):
            while len(taken) < _MOST_WAITING:
                if (made := self._waiting.get_nowait()) is None:
                    self._waiting.put(None)
                    break
                taken.append(made)
        return taken

    def _keep(self, results: Sequence[PendingRecord]) -> None:
        """Puts results on record in one transaction, then gives their leases back, whatever happened.

        Without a record the run still has its outputs. So nothing that goes wrong here fails the run, or ends the
        thread that others count on: from then on nothing is kept, and the run says so.
        """
        try:
            for replace in (False, True):
                wanted = [_record(made.basis, made) for made in results if made.basis and made.replace is replace]
                if wanted and self._keeping:
                    self._cache.save_many(wanted, replace)
        except Exception as error:
            self.stop()
            self._failed(str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}")
        finally:
            for made in results:
                if made.leased:
                    self._cache.leases.give(made.key)


def _record(basis: Basis, made: PendingRecord) -> Record:
    at_rest = {name: artifact.at_rest() for name, artifact in made.outputs.items()}
    return Record(made.key, basis.with_inputs(made.inputs), at_rest, made.measures, time.time(), basis.step)
