"""Service: the process of a Studio that stays up. It gives its workers to all who come, by a Unix socket.

It hosts a pool of workers on a private Ray that outlives the commands that use it. It loads no node
and knows no graph: recipes reach its workers unopened. When somebody hangs up, for whatever reason,
their tasks end and nobody else's.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import itertools
import os
import queue
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from studio.cache.store import Store
from studio.executors.handles import InProcess, Promised, fetched, with_handles
from studio.executors.messages import Message, artifact_from, outcome_to, work_from
from studio.executors.pool.executor import PooledExecutor
from studio.executors.ray.cluster import new_session
from studio.executors.service.address import Address
from studio.executors.service.channel import Channel, ChannelClosed
from studio.executors.shipping import ShippedRecipe, shipped_from
from studio.executors.task import Done, Failed, Outcome, Task
from studio.node.resources import Machine
from studio.paths import state_folder
from studio.threads import DaemonThreads
from studio.values import KINDS

__all__ = ["Service", "main"]

_GRACE_PERIOD = 5.0  # seconds that a cancelled task has to end by itself: its worker took long to load
_MOST_FETCHES = 64  # values that are brought at the same time, for all clients together
_MOST_AT_ONCE = 256  # things said in one message
_MOST_BETWEEN_LOOKS = 5.0  # seconds between looks at who has been idle


class Service:
    """Hears whoever comes, and lends them workers."""

    def __init__(self, executor: PooledExecutor, socket_path: Path, idle: float) -> None:
        self.executor = executor
        self.idle = idle  # seconds after which a worker leaves that nobody used
        self.ended = threading.Event()
        self.fetches = DaemonThreads("service-fetch", _MOST_FETCHES)
        self.began = time.time()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(socket_path))
        socket_path.chmod(0o600)
        self._socket.listen(64)
        executor.grace_period = _GRACE_PERIOD

    def serve(self) -> None:
        """Lends workers until somebody says that it is enough."""
        threading.Thread(target=self._welcome, daemon=True, name="service-door").start()
        while not self.ended.wait(min(_MOST_BETWEEN_LOOKS, self.idle / 4)):
            self.executor.let_go(self.idle)

    def status(self) -> dict[str, Any]:
        """What there is, for people and programs."""
        machine = self.executor.machine
        return {
            "pid": os.getpid(),
            "up_seconds": round(time.time() - self.began, 1),
            "idle_minutes": self.idle / 60,
            "machine": machine.model_dump(),
            "waiting": self.executor.waiting,
            "workers": self.executor.residents(),
            "troubles": dict(self.executor.troubles),
        }

    def _welcome(self) -> None:
        for number in itertools.count():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            client = _Client(self, Channel(connection), str(number))
            threading.Thread(target=client.attend, daemon=True, name="service-client").start()


class _Client:
    """One who came: their tasks, and the values that these made, for as long as they stay."""

    def __init__(self, service: Service, channel: Channel, name: str) -> None:
        self._service = service
        self._executor = service.executor
        self._channel = channel
        self._name = name
        self._tasks: dict[int, Future[Outcome]] = {}
        self._shipped_recipes: dict[str, ShippedRecipe] = {}
        self._stores: dict[Path, Store] = {}
        self._out: queue.SimpleQueue[Callable[[], list[Any]] | None] = queue.SimpleQueue()
        self._does: dict[str, Callable[..., None]] = {
            "hello": self._hello,
            "recipe": self._recipe,
            "submit": self._submit,
            "cancel": self._cancel,
            "forget": self._forget,
            "fetch": self._fetch,
            "preload": self._preload,
            "status": lambda: self._say(["status", self._service.status()]),
            "down": self._down,
        }

    def attend(self) -> None:
        """Does what the client asks until they hang up."""
        threading.Thread(target=self._speak, daemon=True, name="service-sender").start()
        try:
            while True:
                what, *details = self._channel.receive()
                self._does[what](*details)
        except ChannelClosed:
            pass
        finally:  # they hung up, or speak what nobody understands
            self._out.put(None)
            self._channel.close()
            for future in list(self._tasks.values()):
                if not future.done():
                    self._executor.cancel(future)
            self._tasks.clear()

    def _speak(self) -> None:
        """Sends what is to be said: whoever has something to say never waits for a client who does not listen.

        What has gathered meanwhile is said in one message.
        """
        with contextlib.suppress(ChannelClosed):
            while (said := self._gathered())[-1] is not None:
                messages = [message() for message in said if message is not None]
                self._channel.send(messages[0] if len(messages) == 1 else ["several", messages])

    def _gathered(self) -> list[Callable[[], list[Any]] | None]:
        """What is to be said now: one thing at least. None is the last of all."""
        gathered = [self._out.get()]
        while gathered[-1] is not None and len(gathered) < _MOST_AT_ONCE and not self._out.empty():
            gathered.append(self._out.get())
        return gathered

    def _say(self, message: list[Any]) -> None:
        self._out.put(lambda: message)

    def _hello(self) -> None:
        self._say(["hello", self._executor.machine.model_dump()])

    def _recipe(self, message: Message) -> None:
        shipped = shipped_from(message)
        self._shipped_recipes[shipped.key] = shipped

    def _submit(self, asked: list[Message]) -> None:
        ids = [id for id, *_ in asked]
        tasks = [self._task(*told) for _, *told in asked]
        futures = self._executor.submit_many(
            tasks, lambda place, state, detail: self._say(["state", ids[place], state, detail])
        )
        self._tasks.update(zip(ids, futures, strict=True))
        for id, future in zip(ids, futures, strict=True):
            future.add_done_callback(partial(self._tell_end, id))

    def _task(self, key: str, step: str, work: Message, timeout: float | None, run: str) -> Task:
        given = work_from(work, lambda sent: artifact_from(sent, self._handle), self._store)
        return Task(step, self._shipped_recipes[key], given, timeout, f"{self._name} {run}")

    def _tell_end(self, id: int, future: Future[Outcome]) -> None:
        self._out.put(lambda: _ended(id, future))

    def _store(self, folder: Path) -> Store:
        return self._stores.setdefault(folder, Store(folder))

    def _handle(self, told: Message) -> object:
        """What stands for a live value: one that came along, that a task made, or that it will make."""
        what, *where = told
        if what == "held":
            kind, encoded = where
            return InProcess(KINDS[kind].decode(encoded))
        task, place = where
        if what == "due":
            return Promised(self._tasks[task], place)
        return _handles(self._tasks[task].result())[place][1]

    def _cancel(self, id: int) -> None:
        if (future := self._tasks.pop(id, None)) is not None:
            self._executor.cancel(future)

    def _forget(self, ids: list[int]) -> None:
        for id in ids:
            if (future := self._tasks.get(id)) is not None and future.done():
                del self._tasks[id]

    def _fetch(self, request: int, task: int, place: int) -> None:
        """Brings a value, in another thread: it may be large, or in another process that is busy."""
        kind, handle = _handles(self._tasks[task].result())[place]

        def fetch() -> None:
            try:
                encoded = KINDS[kind].encode(fetched(handle))
                data = encoded.read_bytes() if isinstance(encoded, Path) else encoded
                self._say(["value", request, data, ""])
            except Exception as error:
                why = str(error).partition("\n")[0]
                self._say(["value", request, None, f"{type(error).__name__}: {why}"])

        self._service.fetches.submit(fetch)

    def _preload(self, wires: list[Message]) -> None:
        started = [self._executor.preload(shipped_from(message)) for message in wires]
        self._say(["preloaded", started])

    def _down(self) -> None:
        self._say(["bye"])
        self._service.ended.set()


def _handles(outcome: Outcome) -> list[tuple[str, object]]:
    """The kinds and live values of an outcome, in the order in which they are numbered."""
    if isinstance(outcome, Failed):
        return []
    leaves = [leaf for artifact in outcome.outputs.values() for leaf in artifact.leaves]
    return [(leaf.kind, leaf.handle) for leaf in leaves if leaf.handle is not None]


def _ended(id: int, future: Future[Outcome]) -> list[Any]:
    """What is said of a task that ended."""
    if future.cancelled():
        return ["ended", id, None, -1]
    outcome, numbers = future.result(), itertools.count()
    numbered = with_handles(outcome, lambda _: next(numbers))
    return ["ended", id, outcome_to(numbered), outcome.measures.worker if isinstance(outcome, Done) else -1]


def main() -> int:
    """The process: one for each state folder."""
    parser = argparse.ArgumentParser(description="The service of a Studio that stays up.")
    parser.add_argument("--idle", type=float, required=True, help="seconds")
    parser.add_argument("--machine", type=Machine.model_validate_json, help="what to share out, as JSON")
    given = parser.parse_args()
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (folder / "up.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.stderr.write("a Studio is up already\n")
        return 1
    place = new_session()
    try:
        _serve(place / "service", given.idle, given.machine)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return 0


def _serve(socket_path: Path, idle: float, machine: Machine | None) -> None:
    """Is up, from the start of Ray to its end."""
    from studio.executors.ray.executor import RayExecutor

    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):  # somebody else's
        os.environ.pop(name, None)
    executor = RayExecutor(machine, state_folder() / "footprints.json")
    service = Service(executor, socket_path, idle)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.ended.set())
    executor.ready()
    address = Address.here(socket_path)
    address.write()
    try:
        service.serve()
    finally:
        address.file().unlink(missing_ok=True)
        executor.close()


if __name__ == "__main__":
    raise SystemExit(main())
