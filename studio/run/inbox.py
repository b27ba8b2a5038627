"""Inbox: what other threads (workers, the clock, whoever cancels) tell an engine, message by message."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from concurrent.futures import Future
from typing import NamedTuple

from studio.executors.task import Outcome
from studio.run.action import Action

__all__ = ["Cancel", "DueAgain", "Ended", "Heard", "Inbox", "Message", "Unkept"]


class Heard(NamedTuple):
    """An executor tells of a task: that it is `loading`, `running` or `restarting`, or what it printed (`log`)."""

    action: Action
    state: str
    detail: str


class Ended(NamedTuple):
    """A task has come to its end."""

    action: Action
    future: Future[Outcome]


class DueAgain(NamedTuple):
    """An action has waited for long enough before it is tried again."""

    action: Action


class Unkept(NamedTuple):
    """The cache takes nothing any more."""

    why: str


class Cancel(NamedTuple):
    """Somebody wants the run to stop."""


Message = Heard | Ended | DueAgain | Unkept | Cancel


class Inbox:
    """Any thread may put; the engine's own takes."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.put = self._queue.put

    def wait(self, seconds: float | None) -> Iterator[Message]:
        """The next message, waited for so long (for ever, if None), and all that have come by then."""
        try:
            yield self._queue.get(timeout=seconds)
        except queue.Empty:
            return
        yield from self.waiting()

    def waiting(self) -> Iterator[Message]:
        """The messages that are there."""
        while not self._queue.empty():
            yield self._queue.get()
