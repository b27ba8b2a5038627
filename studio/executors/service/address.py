"""Address: what is written down of a Studio that is up: where to reach it, and of which environment it is.

A note that outlived its Studio (the machine was restarted, the process killed) is noticed and removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from studio.executors.service.channel import Channel
from studio.files import write_atomically
from studio.paths import state_folder
from studio.values.digest import of_data

__all__ = ["Address", "ServiceApart"]

_ENGINE = Path(__file__).parents[2]
_PATIENCE = 5.0  # seconds for one that is up to answer


class ServiceApart(UserWarning):
    """A Studio is up that this process cannot use."""


@dataclass(frozen=True)
class Address:
    """A Studio that is up: the address and process of its service, and the environment that it runs in."""

    socket: str
    pid: int
    born: float  # when its process began: a number may be used again
    prefix: str
    python: str
    ray: str
    studio: str
    engine: str  # the state of its code
    children: Sequence[Sequence[float]] = ()  # the processes of its Ray, each with the time when it began

    @classmethod
    def here(cls, socket_path: Path) -> Address:
        """What this very process would write down."""
        born = psutil.Process().create_time()
        children = [(child.pid, child.create_time()) for child in psutil.Process().children(recursive=True)]
        return cls(str(socket_path), os.getpid(), born, *_environment(), children)

    @staticmethod
    def file() -> Path:
        """Where it is written down."""
        return state_folder() / "up.json"

    @classmethod
    def found(cls) -> Address | None:
        """The Studio that is up, if there is one."""
        try:
            told = json.loads(cls.file().read_bytes())
            address = cls(*(told[each.name] for each in fields(cls)))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if address.lives:
            return address
        address.clear()
        return None

    @property
    def lives(self) -> bool:
        """Whether its process is still there."""
        return _process(self.pid, self.born) is not None

    def write(self) -> None:
        """Writes it down, for this user alone."""
        self.file().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self.file(), json.dumps(asdict(self), indent=1).encode(), mode=0o600)

    def clear(self) -> None:
        """Removes the note, what lies at the address, and what is left of its Ray."""
        with contextlib.suppress(OSError):
            self.file().unlink()
        place = Path(self.socket).parent
        if place.name.startswith(f"studio-{self.pid}-"):
            shutil.rmtree(place, ignore_errors=True)
        for number, born in self.children:
            if (left := _process(int(number), born)) is not None:
                with contextlib.suppress(psutil.Error):
                    left.kill()

    def differs(self) -> str:
        """Why this process cannot use it; nothing if it can."""
        mine = Address(self.socket, self.pid, self.born, *_environment())
        for name, what in (("prefix", "environment"), ("python", "Python"), ("ray", "Ray"), ("studio", "Studio")):
            if getattr(self, name) != getattr(mine, name):
                return f"the Studio that is up has another {what} ({getattr(self, name)}, not {getattr(mine, name)})"
        if self.engine != mine.engine:
            return "the code of the Studio has changed since it is up"
        return ""

    def connect(self) -> Channel:
        """A connection to its service; OSError if nobody answers."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(self.socket)
        except OSError:
            connection.close()
            raise
        return Channel(connection)


def _process(number: int, born: float) -> psutil.Process | None:
    """A process that is still there, and is no other of the same number."""
    try:
        process = psutil.Process(number)
        same = abs(process.create_time() - born) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return process if same else None


def _environment() -> tuple[str, str, str, str, str]:
    files = [(path, path.stat()) for path in sorted(_ENGINE.rglob("*.py"))]
    engine = of_data([[str(path), stat.st_mtime_ns, stat.st_size] for path, stat in files])
    return sys.prefix, platform.python_version(), _version("ray"), _version("icode-studio"), engine


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
