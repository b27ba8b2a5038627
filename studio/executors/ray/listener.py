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
    """Threads that hear what became of references.

    Ray calls back in a thread of its own, and a call to Ray from there would never end: so an answer is handed
    on in a thread of ours. The result of a quick task is not even called back but waited for in another: a
    callback needs the interpreter's lock at the very moment at which the next task is to be sent.
    """

    def __init__(self) -> None:
        # One thread each: what is heard is handed on in the order in which it was heard.
        self._heard, self._soon = (DaemonThreads("studio-ray-listener", 1) for _ in range(2))

    def settle(self, ref: Any, future: Future[Any], convert: Callable[[Any], Any], soon: bool = False) -> None:
        """Hands what a reference becomes on to a future; the end of a process as WorkerDied."""
        if soon:
            self._soon.submit(partial(self._wait, ref, future, convert))
            return
        try:
            done = ref.future()
        except Exception as error:  # Ray has ended meanwhile: whoever waits for the future is to know
            future.set_exception(_as_ours(error))
            return
        done.add_done_callback(lambda done: self._heard.submit(partial(_hand_on, done.result, future, convert)))

    def _wait(self, ref: Any, future: Future[Any], convert: Callable[[Any], Any]) -> None:
        import ray
        from ray.exceptions import GetTimeoutError

        try:
            _hand_on(partial(ray.get, ref, timeout=_SOON), future, convert, GetTimeoutError)
        except GetTimeoutError:  # it takes longer than thought: others are to have their turn
            self.settle(ref, future, convert)


def _hand_on(
    get: Callable[[], Any],
    future: Future[Any],
    convert: Callable[[Any], Any],
    passed_on: type[Exception] | tuple[()] = (),
) -> None:
    """The future has an end, whatever `get` and `convert` raise; but for what is passed on."""
    try:
        result = convert(get())
    except passed_on:
        raise
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
