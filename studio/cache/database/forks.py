"""Forks: no connection to SQLite may be open in two processes, so around a fork all of them are closed.

What SQLite knows of its locks would be wrong in the child, and a child that closed its copy of a connection
could delete the log that the parent writes to.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

__all__ = ["watch"]


class _Connected(Protocol):
    """What has connections."""

    def before_fork(self) -> None:
        """Closes them, and keeps other threads from opening any."""

    def after_fork(self, in_child: bool) -> None:
        """Lets other threads go on."""


_all: weakref.WeakSet[_Connected] = weakref.WeakSet()
_paused: list[_Connected] = []
_forking = threading.Lock()  # held around a fork, so that nothing new is watched meanwhile


def watch(database: _Connected) -> None:
    """From now on its connections are closed around a fork."""
    with _forking:
        _all.add(database)


def _before() -> None:
    _forking.acquire()
    _paused.extend(_all)
    for database in _paused:
        database.before_fork()


def _after(in_child: bool) -> None:
    while _paused:
        _paused.pop().after_fork(in_child)
    _forking.release()


os.register_at_fork(
    before=_before, after_in_parent=lambda: _after(in_child=False), after_in_child=lambda: _after(in_child=True)
)
