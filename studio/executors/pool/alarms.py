"""Alarms: calls of a pool that are due later, each made in a thread of the pool."""

from __future__ import annotations

import logging
from collections.abc import Callable

from studio.clock import Alarm, Clock
from studio.threads import DaemonThreads

__all__ = ["Alarms"]

_MOST = 4  # at the same time; they are rare, and short unless a worker is slow to end


class Alarms:
    """Sets alarms on the clock of this process.

    What is due here may end a worker, which can take long: in the clock's own thread, all others would wait for it.
    """

    def __init__(self) -> None:
        self._threads = DaemonThreads("studio-pool", _MOST)

    def after(self, seconds: float, call: Callable[[], None]) -> Alarm:
        """Has a call made after so many seconds."""
        return Clock.of_process().after(seconds, lambda: self._hand_over(call))

    def _hand_over(self, call: Callable[[], None]) -> None:
        self._threads.submit(lambda: _made(call))


def _made(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:
        logging.getLogger("studio").exception("a call that was due failed")
