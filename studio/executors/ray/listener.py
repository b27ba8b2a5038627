"""Listener: threads that hear what became of Ray references, and what an error of Ray means here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from studio.executors.pool.executor import InputLost, WorkerDied, WorkerUnreachable
from studio.threads import DaemonThreads

__all__ = ["Listener"]


_SOON = 0.05  # seconds that the result of a quick task is waited for before others' turn


class Listener:
    """Threads that hear what became of references. In Ray's own thread, a call to Ray would never end.

    What will soon be there is waited for in a thread: being called back by Ray takes the interpreter's
    lock in the very thread that has to send the next task on its way.
    """

    def __init__(self) -> None:
        # One thread each: what is heard is handed on in the order in which it was heard.
        self._heard, self._soon = (DaemonThreads("studio-ray-listener", 1) for _ in range(2))

    def settle(self, ref: Any, future: Future[Any], convert: Callable[[Any], Any], soon: bool = False) -> None:
        """Hands what a reference becomes on to a future; the end of a process as WorkerDied."""
        if soon:
            self._soon.submit(partial(self._wait, ref, future, convert))
        else:
            ref.future().add_done_callback(
                lambda done: self._heard.submit(partial(_hand_on, done.result, future, convert))
            )

    def _wait(self, ref: Any, future: Future[Any], convert: Callable[[Any], Any]) -> None:
        import ray
        from ray.exceptions import GetTimeoutError

        done: Future[Any] = Future()
        try:
            done.set_result(ray.get(ref, timeout=_SOON))
        except GetTimeoutError:
            self.settle(ref, future, convert)
            return
        except Exception as error:
            done.set_exception(error)
        _hand_on(done.result, future, convert)


def _hand_on(get: Callable[[], Any], future: Future[Any], convert: Callable[[Any], Any]) -> None:
    try:
        result = convert(get())
    except Exception as error:
        future.set_exception(_as_ours(error))
    else:
        future.set_result(result)


def _as_ours(error: Exception) -> Exception:
    """What an error of Ray's means here."""
    import ray.exceptions

    if isinstance(error, ray.exceptions.ObjectLostError):  # raised by the task itself, it means an input
        is_input = isinstance(error, ray.exceptions.RayTaskError)
        return InputLost(str(error)) if is_input else WorkerDied("its process and what it had made were lost")
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return WorkerUnreachable("its process could not be reached")
    if isinstance(error, ray.exceptions.ActorUnschedulableError):
        return WorkerDied("the machine that it was to start on is gone")
    return WorkerDied(_how_it_died(error)) if isinstance(error, ray.exceptions.RayActorError) else error


def _how_it_died(error: Exception) -> str:
    if "running low on memory" in str(error):
        return "ended by Ray because the machine ran low on memory"
    return "its process was killed, crashed or ran out of memory"
