"""ClientSession: one client of the service, from hello until they hang up: their tasks, and what these made."""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from studio.cache.store import Store
from studio.executors.handles import InProcess, Promised, fetched, with_handles
from studio.executors.messages import artifact_from, outcome_to, work_from
from studio.executors.pool.executor import PooledExecutor
from studio.executors.pool.state import broken
from studio.executors.service.channel import Channel, ChannelClosed
from studio.executors.service.protocol import (
    Bye,
    Cancel,
    DueValue,
    Ended,
    Fetch,
    Forget,
    GetStatus,
    HeldValue,
    Hello,
    MadeValue,
    Message,
    NewRecipe,
    NotUnderstood,
    Preload,
    Preloaded,
    ShutDown,
    State,
    Status,
    Submit,
    Value,
    Welcome,
    from_plain,
    place_from_plain,
    to_plain,
)
from studio.executors.shipping import ShippedRecipe, shipped_from
from studio.executors.task import Done, Failed, Outcome, Task
from studio.threads import DaemonThreads
from studio.values import KINDS

__all__ = ["ClientSession", "SessionHost"]

_MOST_AT_ONCE = 256  # messages sent together


class SessionHost(Protocol):
    """What a session knows of the service that it belongs to."""

    executor: PooledExecutor
    fetches: DaemonThreads
    ended: threading.Event

    def status(self) -> dict[str, Any]:
        """How the service stands."""


class ClientSession:
    """Hears a client, and has a thread that speaks to them. Whatever goes wrong here ends this session alone."""

    def __init__(self, host: SessionHost, channel: Channel, name: str) -> None:
        self._host = host
        self._executor = host.executor
        self._channel = channel
        self._name = name
        self._tasks: dict[int, Future[Outcome]] = {}
        self._recipes: dict[str, ShippedRecipe] = {}
        self._stores: dict[Path, Store] = {}
        self._out: queue.SimpleQueue[Callable[[], Message] | None] = queue.SimpleQueue()

    def attend(self) -> None:
        """Does what the client asks until they hang up, or say what nobody understands."""
        threading.Thread(target=self._speak, daemon=True, name="service-sender").start()
        try:
            while True:
                self._hear(from_plain(self._channel.receive()))
        except (ChannelClosed, NotUnderstood):
            pass
        except Exception:
            logging.getLogger("studio").exception("the session of a client failed")
        finally:
            self._out.put(None)
            self._channel.close()  # by which the client knows that their tasks have ended
            for future in list(self._tasks.values()):
                if not future.done():
                    self._executor.cancel(future)
            self._tasks.clear()

    def _speak(self) -> None:
        """Sends what is to be said: whoever has something to say never waits for a client who does not listen."""
        try:
            while (said := self._gathered())[-1] is not None:
                self._channel.send(to_plain([message() for message in said if message is not None]))
        except ChannelClosed:
            pass
        except Exception:
            logging.getLogger("studio").exception("a client could not be answered")
        finally:
            self._channel.close()  # a client who is not answered must not wait

    def _gathered(self) -> list[Callable[[], Message] | None]:
        """What is to be said now: one thing at least. None is the last of all."""
        gathered = [self._out.get()]
        while gathered[-1] is not None and len(gathered) < _MOST_AT_ONCE and not self._out.empty():
            gathered.append(self._out.get())
        return gathered

    def _say(self, message: Message) -> None:
        self._out.put(lambda: message)

    def _hear(self, messages: list[Message]) -> None:
        """Tasks that come together are submitted together."""
        for _, group in itertools.groupby(messages, type):
            alike = list(group)
            tasks = [message for message in alike if isinstance(message, Submit)]
            if tasks:
                self._submit(tasks)
            for message in alike[len(tasks) :]:
                self._do(message)

    def _do(self, message: Message) -> None:
        match message:
            case Hello():
                self._say(Welcome(self._executor.machine.model_dump()))
            case NewRecipe(name, instead_of, shipped):
                self._recipes.pop(instead_of, None)
                self._recipes[name] = shipped_from(shipped)
            case Cancel(number):
                if (future := self._tasks.pop(number, None)) is not None:
                    self._executor.cancel(future)
            case Forget(numbers):
                self._forget(numbers)
            case Fetch():
                self._fetch(message)
            case Preload(recipes):
                self._say(Preloaded([self._executor.preload(shipped_from(shipped)) for shipped in recipes]))
            case GetStatus():
                self._say(Status(self._host.status()))
            case ShutDown():
                self._say(Bye())
                self._host.ended.set()
            case _:
                raise NotUnderstood(f"a {type(message).__name__} is nothing for a service")

    # Tasks ---------------------------------------------------------------------

    def _submit(self, asked: list[Submit]) -> None:
        numbers, tasks = [], []
        for each in asked:
            try:
                tasks.append(self._task(each))
                numbers.append(each.number)
            except Exception as error:  # one that cannot be read ends, and no other with it
                self._say(Ended(each.number, outcome_to(broken(error)), -1))
        futures = self._executor.submit_many(
            tasks, lambda place, state, detail: self._say(State(numbers[place], state, detail))
        )
        self._tasks.update(zip(numbers, futures, strict=True))
        for number, future in zip(numbers, futures, strict=True):
            future.add_done_callback(partial(self._on_done, number))

    def _task(self, asked: Submit) -> Task:
        given = work_from(asked.work, lambda sent: artifact_from(sent, self._handle), self._store)
        return Task(asked.step, self._recipes[asked.recipe], given, asked.timeout, f"{self._name} {asked.run}")

    def _on_done(self, number: int, future: Future[Outcome]) -> None:
        self._out.put(partial(_ended, number, future))

    def _store(self, folder: Path) -> Store:
        return self._stores.setdefault(folder, Store(folder))

    def _handle(self, told: Any) -> object:
        """What stands for a live value: one that came along, that a task made, or that it will make."""
        match place_from_plain(told):
            case HeldValue(kind, encoded, name):
                return InProcess(KINDS[kind].decode(encoded, name))
            case DueValue(task, port):
                return Promised(self._tasks[task], port)
            case MadeValue(task, place):
                return _handles(self._tasks[task].result())[place][1]

    def _forget(self, numbers: list[int]) -> None:
        for number in numbers:
            if (future := self._tasks.get(number)) is not None and future.done():
                del self._tasks[number]

    def _fetch(self, asked: Fetch) -> None:
        """Brings a value, in another thread: it may be large, or in another process that is busy."""
        future = self._tasks.get(asked.task)

        def fetch() -> None:
            try:
                assert future is not None, "no such task"
                kind, handle = _handles(future.result(0))[asked.place]
                value = fetched(handle)  # held, for its file may go with it
                encoded = KINDS[kind].encode(value)
                data = encoded.read_bytes() if isinstance(encoded, Path) else encoded
                self._say(Value(asked.request, data, ""))
            except Exception as error:
                why = str(error).partition("\n")[0]
                self._say(Value(asked.request, None, f"{type(error).__name__}: {why}"))

        self._host.fetches.submit(fetch)


def _handles(outcome: Outcome) -> list[tuple[str, object]]:
    """The kinds and live values of an outcome, in the order in which they are numbered."""
    if isinstance(outcome, Failed):
        return []
    leaves = [leaf for artifact in outcome.outputs.values() for leaf in artifact.leaves]
    return [(leaf.kind, leaf.handle) for leaf in leaves if leaf.handle is not None]


def _ended(number: int, future: Future[Outcome]) -> Message:
    """What is said of a task that ended."""
    if future.cancelled():
        return Ended(number, None, -1)
    outcome, numbers = future.result(), itertools.count()
    numbered = with_handles(outcome, lambda _: next(numbers))
    return Ended(number, outcome_to(numbered), outcome.measures.worker if isinstance(outcome, Done) else -1)
