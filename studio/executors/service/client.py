"""WarmExecutor: workers of the Studio that is up, asked for by a socket. This process needs no Ray of its own.

Values stay where they were made until somebody here looks at them. When this process ends, however it
does, the service ends what it had asked for.
"""

from __future__ import annotations

import itertools
import logging
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from studio.errors import EnvironmentMissing
from studio.executors.base import Executor, Notify, NotifyMany
from studio.executors.handles import InProcess, Promised
from studio.executors.messages import outcome_from, work_to
from studio.executors.service.address import Address
from studio.executors.service.channel import Channel, ChannelClosed
from studio.executors.service.protocol import (
    Cancel,
    DueValue,
    Ended,
    Fetch,
    Forget,
    HeldValue,
    Hello,
    MadeValue,
    Message,
    NewRecipe,
    NotUnderstood,
    State,
    Submit,
    Value,
    ValuePlace,
    Welcome,
    from_plain,
    place_to_plain,
    to_plain,
)
from studio.executors.shipping import ship
from studio.executors.surroundings import Surroundings
from studio.executors.task import Done, Failed, Outcome, Recipe, Task
from studio.executors.worker import failure
from studio.node.resources import Machine
from studio.values import KINDS
from studio.values.artifact import Artifact, Damaged

__all__ = ["WarmExecutor"]

_MOST_NAMES = 8  # of one recipe, asked for from as many surroundings
_QUICK = 0.02  # seconds; what takes less is worth preparing the next step for
_GONE = "the Studio that was up has ended; run again"
_STRANGE = "the Studio that is up says what this process does not understand; `studio down`, and run again"


class _Token:
    """Lives as long as somebody may still want what a task made."""

    def __init__(self, number: int) -> None:
        self.number = number


@dataclass(eq=False)
class _Request:
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
            self._machine = _machine_of(self._channel)
        except (OSError, ChannelClosed, NotUnderstood):
            raise EnvironmentMissing("the Studio that is up does not answer; end it with: studio down") from None
        self._names: dict[str, list[tuple[Surroundings | None, str]]] = {}  # of recipes over there, by key
        self._pace: dict[str, float] = {}
        self._requests: dict[int, _Request] = {}  # by the number of the task
        self._tokens: weakref.WeakKeyDictionary[Future[Outcome], _Token] = weakref.WeakKeyDictionary()
        self._fetches: dict[int, Future[bytes]] = {}
        self._forgotten: deque[int] = deque()  # numbers of tasks whose values nobody wants any more
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
        return self._submit([task], [notify])[0]

    def submit_many(self, tasks: Sequence[Task], notify: NotifyMany | None = None) -> list[Future[Outcome]]:
        return self._submit(tasks, [notify and partial(notify, place) for place in range(len(tasks))])

    def _submit(self, tasks: Sequence[Task], notify: Sequence[Notify | None]) -> list[Future[Outcome]]:
        """Asks for tasks, all of them at once."""
        requests = [
            _Request(task.recipe, each, _Token(next(self._count))) for task, each in zip(tasks, notify, strict=True)
        ]
        for request in requests:
            weakref.finalize(request.token, self._forgotten.append, request.token.number)
            self._tokens[request.future] = request.token
            self._requests[request.token.number] = request
        try:
            asked = [self._asked(*pair) for pair in zip(tasks, requests, strict=True)]
            self._send(*[message for message in asked if message is not None])
        except ChannelClosed:
            for request in requests:
                self._end(request.token.number, Failed(_GONE, exit_code=5, retryable=False))
        except Exception:
            for request in requests:
                self._requests.pop(request.token.number, None)
            raise
        return [request.future for request in requests]

    def _asked(self, task: Task, request: _Request) -> Message | None:
        """What the service is asked; None where the task has failed: a file that was to come along cannot be read."""
        try:
            return self._as_message(task, request.token.number)
        except (OSError, ValueError) as error:
            self._end(request.token.number, failure(error))
            return None

    def _as_message(self, task: Task, number: int) -> Message:
        name = self._name(task.recipe)
        work = work_to(task.work.with_inputs(self._placed), _as_it_is)
        return Submit(number, name, task.step, work, task.timeout, task.run)

    def cancel(self, future: Future[Outcome]) -> None:
        token = self._tokens.get(future)
        future.cancel()
        if token is not None and self._requests.pop(token.number, None) is not None:
            with suppress(ChannelClosed):
                self._send(Cancel(token.number))

    def close(self) -> None:
        self._channel.close()
        self._lose("the executor was closed")

    def fetch(self, number: int, place: int) -> bytes:
        """The encoded value that a task made."""
        request, coming = next(self._count), Future[bytes]()
        self._fetches[request] = coming
        try:
            self._send(Fetch(request, number, place))
        except ChannelClosed:
            raise Damaged(_GONE) from None
        if not self.lives:  # it was lost at this very moment, and nobody would answer
            raise Damaged(_GONE)
        return coming.result()

    def _name(self, recipe: Recipe) -> str:
        """What a recipe is called; the service is told of it if it, or its surroundings, are new."""
        with self._mutex:
            names = self._names.setdefault(recipe.key, [])
            for surroundings, name in reversed(names):
                if surroundings is recipe.surroundings or surroundings == recipe.surroundings:
                    return name
            name = str(next(self._count))
            past = names.pop(0)[1] if len(names) >= _MOST_NAMES else ""
            self._send(NewRecipe(name, past, ship(recipe)))
            names.append((recipe.surroundings, name))
            return name

    def _placed(self, artifact: Artifact) -> Artifact:
        """An input that tells the service where its live value is."""
        if artifact.handle is None:
            return artifact
        return replace(artifact, handle=place_to_plain(self._place(artifact.kind, artifact.handle)))

    def _place(self, kind: str, handle: object) -> ValuePlace:
        if isinstance(handle, Promised):
            return DueValue(self._tokens[handle.future].number, handle.port)
        if isinstance(handle, InService):
            return MadeValue(handle.token.number, handle.place)
        assert isinstance(handle, InProcess)
        return HeldValue(kind, *_encoded(kind, handle.value))

    def _send(self, *messages: Message) -> None:
        forgotten = []
        while self._forgotten:
            forgotten.append(self._forgotten.popleft())
        self._channel.send(to_plain([*([Forget(forgotten)] if forgotten else []), *messages]))

    # What the service says ------------------------------------------------------

    def _listen(self) -> None:
        """However this thread ends, nobody waits for what it would have heard."""
        why = _STRANGE
        try:
            while True:
                for message in from_plain(self._channel.receive()):
                    self._hear(message)
        except ChannelClosed:
            why = _GONE
        except Exception:
            logging.getLogger("studio").exception("the Studio that is up was not understood")
        finally:
            self._channel.close()
            self._lose(why)

    def _hear(self, message: Message) -> None:
        match message:
            case State(number, state, detail):
                self._on_state(number, state, detail)
            case Ended():
                self._on_ended(message)
            case Value(request, data, why):
                self._on_value(request, data, why)
            case _:
                raise NotUnderstood(f"a {type(message).__name__} is nothing for a client")

    def _on_state(self, number: int, state: str, detail: str) -> None:
        request = self._requests.get(number)
        if request is not None and request.notify is not None:
            try:
                request.notify(state, detail)
            except Exception:
                logging.getLogger("studio").exception("whoever was told that a task is %s failed", state)

    def _on_ended(self, ended: Ended) -> None:
        request = self._requests.get(ended.number)
        if request is None or ended.outcome is None:
            return
        outcome = outcome_from(ended.outcome, lambda place: InService(self, request.token, place), ended.worker)
        if isinstance(outcome, Done):
            self._pace[request.recipe.key] = outcome.measures.seconds
        self._end(ended.number, outcome)

    def _end(self, number: int, outcome: Outcome) -> None:
        request = self._requests.pop(number, None)
        if request is not None:
            with suppress(InvalidStateError):  # cancelled at this very moment
                request.future.set_result(_with_kinds(outcome))

    def _on_value(self, request: int, data: bytes | None, why: str) -> None:
        coming = self._fetches.pop(request)
        if data is None:
            coming.set_exception(Damaged(f"a value is gone ({why})"))
        else:
            coming.set_result(data)

    def _lose(self, why: str) -> None:
        self.lives = False
        for number in list(self._requests):
            self._end(number, Failed(why, exit_code=5, retryable=False))
        while self._fetches:
            self._fetches.popitem()[1].set_exception(Damaged(why))


@dataclass(frozen=True)
class InService:
    """A live value that the service holds for us."""

    executor: WarmExecutor
    token: _Token
    place: int
    kind: str = ""
    name: str = ""

    def get(self) -> object:
        return KINDS[self.kind].decode(self.executor.fetch(self.token.number, self.place), self.name)


def _machine_of(channel: Channel) -> Machine:
    """Says hello to a service, which tells what there is to share out."""
    with ExitStack() as undo:
        undo.callback(channel.close)
        channel.send(to_plain([Hello()]))
        match from_plain(channel.receive()):
            case [Welcome(told)]:
                machine = Machine.model_validate(told)
                channel.wait_for_ever()
                undo.pop_all()
                return machine
        raise NotUnderstood("a service answers hello with a welcome")


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
    return replace(artifact, handle=replace(artifact.handle, kind=artifact.kind, name=artifact.name))


def _encoded(kind: str, value: Any) -> tuple[bytes, str]:
    """A value as it travels, and the name of its file, if that is a part of it."""
    encoded = KINDS[kind].encode(value)
    if not isinstance(encoded, Path):
        return encoded, ""
    data = encoded.read_bytes()
    value.check()
    return data, value.name


def _as_it_is(handle: Any) -> Any:
    return handle
