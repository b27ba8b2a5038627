"""Request: a call to a storage, made by a thread, whose outcome is waited for only so long."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import wait
from typing import Generic, TypeVar

from studio.cache.tier.storage import Unavailable
from studio.threads import DaemonThreads

__all__ = ["Request"]

T = TypeVar("T")


class Request(Generic[T]):
    """A call on its way, which may never return."""

    def __init__(self, threads: DaemonThreads, call: Callable[[], T]) -> None:
        self._call = call
        self._began: float | None = None
        self._future = threads.submit(self._make)

    def _make(self) -> T:
        self._began = time.monotonic()
        return self._call()

    def outcome(self, seconds: float) -> T:
        """What the call returned, or raised. Unavailable if it took longer than so many seconds.

        A call that waited for a thread has its full time from when it began: many at once are no sign
        of a slow storage. One that found no thread at all within that time is given up.
        """
        if not wait([self._future], seconds).done and self._began is not None:
            wait([self._future], max(0.0, self._began + seconds - time.monotonic()))
        if not self._future.done():
            raise Unavailable(f"no answer within {seconds:g} s")
        return self._future.result()
