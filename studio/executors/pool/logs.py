"""LogWatch: tells what nodes print while they run, to whoever submitted the task."""

from __future__ import annotations

import threading
from collections.abc import Callable

from studio.executors.pool.alarms import Alarms
from studio.executors.pool.calls import Calls

__all__ = ["LogWatch"]

_EVERY = 0.25  # seconds between looks


class LogWatch:
    """One alarm for all calls that go on; none while there are none."""

    def __init__(
        self, calls: Calls, alarms: Alarms, mutex: threading.RLock, new_lines: Callable[[int], str] | None
    ) -> None:
        """`new_lines` gives what the node of a worker has printed since it was last asked; None if nobody can tell."""
        self._calls, self._alarms, self._mutex, self._new_lines = calls, alarms, mutex, new_lines
        self._watching = False

    def watch(self) -> None:
        """There is a call that goes on. The pool's mutex is held."""
        if self._new_lines is not None and not self._watching:
            self._watching = True
            self._alarms.after(_EVERY, self._look)

    def _look(self) -> None:
        with self._mutex:  # so that lines are told of the call that they belong to
            self._watching = False
            if not self._calls:
                return
            self.watch()
            for call in self._calls:
                assert self._new_lines is not None
                if text := self._new_lines(call.worker):
                    call.submissions[0].tell("log", text)  # whose it is, of several, nobody can tell
