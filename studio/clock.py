"""Clock: calls that are due later. One thread with a heap serves all time limits of a process."""

from __future__ import annotations

import functools
import heapq
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable

__all__ = ["Alarm", "Clock"]


class Alarm:
    """A call that is due later, unless it is cancelled before."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """The call is not made; one that is being made just now is not stopped."""
        self._call = None

    def ring(self) -> None:
        """Makes the call. What it raises is logged: the clock has others to serve."""
        call, self._call = self._call, None
        if call is None:
            return
        try:
            call()
        except Exception:
            logging.getLogger("studio").exception("a call that was due failed")


class Clock:
    """Alarms in the order in which they are due. Its calls are made in its own thread: they must be short."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Alarm]] = []
        self._serial = itertools.count()  # of two that are due at the same time, the first set rings first
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @staticmethod
    def of_process() -> Clock:
        """The clock of this process; a forked child has one of its own, since threads do not survive a fork."""
        return _clock(os.getpid())

    def after(self, seconds: float, call: Callable[[], None]) -> Alarm:
        """Has a call made after so many seconds."""
        alarm = Alarm(call)
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._serial), alarm))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="studio-clock")
                self._thread.start()
            elif self._due[0][2] is alarm:  # it is due before what the thread waits for
                self._changed.notify()
        return alarm

    def _run(self) -> None:
        while True:
            self._next().ring()

    def _next(self) -> Alarm:
        """Waits for the alarm that is due next."""
        with self._changed:
            while True:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)


@functools.cache
def _clock(_process: int) -> Clock:
    return Clock()
