"""WarmExecutor: workers of the Studio that is up, asked for by a socket. This process needs no Ray of its own.

Values stay where they were made until somebody here looks at them. When this process ends, however it
does, the service ends what it had asked for.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from studio.errors import EnvironmentMissing
from studio.executors.base import Executor, Notify, NotifyMany
from studio.executors.handles import InProcess, Promised
from studio.executors.messages import Message, outcome_from, work_to
from studio.executors.service.address import Address
from studio.executors.service.channel import ChannelClosed
from studio.executors.shipping import ship
from studio.executors.task import Done, Failed, Outcome, Recipe, Task
from studio.node.resources import Machine
from studio.values import KINDS
from studio.values.artifact import Artifact, Damaged

__all__ = ["WarmExecutor"]

_QUICK = 0.02  # seconds; what takes less is worth preparing the next step for
_GONE = "the Studio that was up has ended; run again"


class _Token:
    """Lives as long as somebody may still want what a task made."""

    def __init__(self, number: int) -> None:
        self.number = number


@dataclass(eq=False)
class _Asked:
    """A task that the service was asked for."""

    recipe: Recipe
    notify: Notify | None
    token: _Token
    future: Future[Outcome] = field(default_factory=Future)


class WarmExecutor(Executor):
    """The service of the Studio that is up, from the other side of its socket."""

    name = "warm"

    def __init__(self) -> None:
        address = Address.found()
        if address is None:
            raise EnvironmentMissing("no Studio is up; start one with: studio up")
        if why := address.differs():
            raise EnvironmentMissing(f"{why}; `studio down`, then `studio up`, or use --executor ray")
        try:
            self._channel = address.connect()
            self._channel.send(["hello"])
            _, machine = self._channel.receive()
            self._channel.wait_for_ever()
        except (OSError, ChannelClosed):
            raise EnvironmentMissing("the Studio that is up does not answer; end it with: studio down") from None
        self._machine = Machine.model_validate(machine)
        self._keys: dict[str, str] = {}  # what the service calls a recipe of ours
        self._pace: dict[str, float] = {}
        self._asked: dict[int, _Asked] = {}
        self._numbers: weakref.WeakKeyDictionary[Future[Outcome], _Token] = weakref.WeakKeyDictionary()
        self._fetches: dict[int, Future[bytes]] = {}
        self._forgotten: deque[int] = deque()
        self._count = itertools.count()
        self._mutex = threading.Lock()
        self.lives = True
        threading.Thread(target=self._listen, daemon=True, name="studio-warm").start()

    @property
    def machine(self) -> Machine:
        return self._machine

    def quick(self, recipe: Recipe) -> bool:
        return self._pace.get(recipe.key, _QUICK) < _QUICK

    def submit(self, task: Task, notify: Notify | None = None) -> Future[Outcome]:
        return self._ask([task], [notify])[0]

    def submit_many(self, tasks: Sequence[Task], notify: NotifyMany | None = None) -> list[Future[Outcome]]:
        return self._ask(tasks, [notify and partial(notify, place) for place in range(len(tasks))])

    def _ask(self, tasks: Sequence[Task], heard: Sequence[Notify | None]) -> list[Future[Outcome]]:
        """Asks for tasks, all in one message."""
        asked = [
            _Asked(task.recipe, notify, _Token(next(self._count))) for task, notify in zip(tasks, heard, strict=True)
        ]
        for each in asked:
            weakref.finalize(each.token, self._forgotten.append, each.token.number)
            self._numbers[each.future] = each.token
            self._asked[each.token.number] = each
        try:
            told = [self._told(task, each.token.number) for task, each in zip(tasks, asked, strict=True)]
            self._send(["submit", told])
        except ChannelClosed:
            for each in asked:
                self._end(each.token.number, Failed(_GONE, exit_code=5, retryable=False))
        except Exception:
            for each in asked:
                self._asked.pop(each.token.number, None)
            raise
        return [each.future for each in asked]

    def _told(self, task: Task, number: int) -> Message:
        """A task as plain lists."""
        key = self._key(task.recipe)
        work = work_to(task.work.with_inputs(self._telling), _as_it_is)
        return [number, key, task.step, work, task.timeout, task.run]

    def cancel(self, future: Future[Outcome]) -> None:
        token = self._numbers.get(future)
        future.cancel()
        if token is not None and self._asked.pop(token.number, None) is not None:
            with suppress(ChannelClosed):
                self._send(["cancel", token.number])

    def close(self) -> None:
        self._channel.close()
        self._lose("the executor was closed")

    def fetch(self, number: int, place: int) -> bytes:
        """The encoded value that a task made."""
        request, coming = next(self._count), Future[bytes]()
        self._fetches[request] = coming
        try:
            self._send(["fetch", request, number, place])
        except ChannelClosed:
            raise Damaged(_GONE) from None
        return coming.result()

    def _key(self, recipe: Recipe) -> str:
        """What the service knows a recipe by; it is told of each once."""
        with self._mutex:
            if recipe.key not in self._keys:
                shipped = ship(recipe)
                self._send(["recipe", shipped])
                self._keys[recipe.key] = shipped[0]
            return self._keys[recipe.key]

    def _telling(self, artifact: Artifact) -> Artifact:
        """An input with what tells the service where its live value is."""
        handle = artifact.handle
        if handle is None:
            return artifact
        if isinstance(handle, Promised):
            return replace(artifact, handle=["due", self._numbers[handle.future].number, handle.port])
        if isinstance(handle, InService):
            return replace(artifact, handle=["made", handle.token.number, handle.place])
        assert isinstance(handle, InProcess)
        encoded = KINDS[artifact.kind].encode(handle.value)
        return replace(artifact, handle=["held", artifact.kind, _read(encoded)])

    def _send(self, message: list[Any]) -> None:
        forgotten = []
        while self._forgotten:
            forgotten.append(self._forgotten.popleft())
        if forgotten:
            self._channel.send(["forget", forgotten])
        self._channel.send(message)

    def _listen(self) -> None:
        does: dict[str, Callable[..., None]] = {
            "state": self._on_state,
            "ended": self._on_ended,
            "value": self._on_value,
        }
        with suppress(ChannelClosed):
            while True:
                message = self._channel.receive()
                for what, *details in message[1] if message[0] == "several" else [message]:
                    does[what](*details)
        self._lose(_GONE)

    def _on_state(self, number: int, state: str, detail: str) -> None:
        asked = self._asked.get(number)
        if asked is not None and asked.notify is not None:
            asked.notify(state, detail)

    def _on_ended(self, number: int, message: Message | None, worker: int) -> None:
        asked = self._asked.get(number)
        if asked is None or message is None:
            return
        outcome = outcome_from(message, lambda place: InService(self, asked.token, place, ""), worker)
        if isinstance(outcome, Done):
            self._pace[asked.recipe.key] = outcome.measures.seconds
        self._end(number, outcome)

    def _end(self, number: int, outcome: Outcome) -> None:
        asked = self._asked.pop(number, None)
        if asked is not None:
            with suppress(InvalidStateError):  # cancelled at this very moment
                asked.future.set_result(_with_kinds(outcome))

    def _on_value(self, request: int, data: bytes | None, why: str) -> None:
        coming = self._fetches.pop(request)
        if data is None:
            coming.set_exception(Damaged(f"a value is gone ({why})"))
        else:
            coming.set_result(data)

    def _lose(self, why: str) -> None:
        self.lives = False
        for number in list(self._asked):
            self._end(number, Failed(why, exit_code=5, retryable=False))
        while self._fetches:
            self._fetches.popitem()[1].set_exception(Damaged(why))


@dataclass(frozen=True)
class InService:
    """A live value that the service holds for us."""

    executor: WarmExecutor
    token: _Token
    place: int
    kind: str

    def get(self) -> object:
        return KINDS[self.kind].decode(self.executor.fetch(self.token.number, self.place))


def _with_kinds(outcome: Outcome) -> Outcome:
    """The outcome, its live values knowing their kind."""
    if isinstance(outcome, Failed):
        return outcome
    return replace(outcome, outputs={name: _told_kind(artifact) for name, artifact in outcome.outputs.items()})


def _told_kind(artifact: Artifact) -> Artifact:
    if artifact.items is not None:
        return replace(artifact, items=tuple(map(_told_kind, artifact.items)))
    if not isinstance(artifact.handle, InService):
        return artifact
    return replace(artifact, handle=replace(artifact.handle, kind=artifact.kind))


def _read(encoded: bytes | Path) -> bytes:
    return encoded.read_bytes() if isinstance(encoded, Path) else encoded


def _as_it_is(handle: Any) -> Any:
    return handle
