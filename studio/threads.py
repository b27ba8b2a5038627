"""DaemonThreads: threads that start when calls need them and then stay; none holds up the end of the process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["DaemonThreads"]

T = TypeVar("T")


class DaemonThreads:
    """A pool of daemon threads.

    `ThreadPoolExecutor` joins its threads when the interpreter ends, so one call that never returns keeps
    the process alive for ever. A daemon thread is dropped instead: use this for calls that may hang.
    """

    def __init__(self, name: str, most: int) -> None:
        """With `most` threads at most; a call that finds all of them busy waits for one."""
        self._name, self._most = name, most
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._mutex = threading.Lock()
        self._idle = self._alive = 0

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Has a thread make a call. Whatever the call raises goes to its future; the thread stays."""
        future: Future[T] = Future()
        with self._mutex:
            if self._idle:
                self._idle -= 1
            elif self._alive < self._most:
                threading.Thread(target=self._work, daemon=True, name=self._name).start()
                self._alive += 1
        self._calls.put((call, future))
        return future

    def _work(self) -> None:
        while True:
            call, future = self._calls.get()
            # The thread counts as idle before it ends the future: a callback of the future that submits
            # the next call then gets this thread, not a new one.
            try:
                result = call() if future.set_running_or_notify_cancel() else None
            except BaseException as error:
                self._rest()
                future.set_exception(error)
            else:
                self._rest()
                if not future.cancelled():
                    future.set_result(result)
                del result
            del call, future  # a thread that waits keeps nothing of its last call alive

    def _rest(self) -> None:
        with self._mutex:
            self._idle += 1
