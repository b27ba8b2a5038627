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
import logging
import os
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from studio.executors.pool.executor import PooledExecutor
from studio.executors.ray.cluster import new_session
from studio.executors.service.address import Address
from studio.executors.service.channel import Channel
from studio.executors.service.session import ClientSession
from studio.node.resources import Machine
from studio.paths import state_folder
from studio.threads import DaemonThreads

__all__ = ["Service", "main"]

_GRACE_PERIOD = 5.0  # seconds that a cancelled task has to end by itself: its worker took long to load
_MOST_FETCHES = 64  # values that are brought at the same time, for all clients together
_PAUSE = 0.2  # seconds after somebody could not be let in
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
            try:
                self.executor.let_go(self.idle)
            except Exception:  # those who have tasks here are not to lose them for it
                logging.getLogger("studio").exception("idle workers could not be ended")

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
        """Opens to whoever comes. What cannot be done for one, for lack of files or threads, can be for the next."""
        for number in itertools.count():
            try:
                connection, _ = self._socket.accept()
                with contextlib.ExitStack() as undo:
                    undo.callback(connection.close)
                    session = ClientSession(self, Channel(connection), str(number))
                    threading.Thread(target=session.attend, daemon=True, name="service-client").start()
                    undo.pop_all()
            except Exception:
                if self.ended.wait(_PAUSE):
                    return
                logging.getLogger("studio").exception("a client could not be let in")


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
