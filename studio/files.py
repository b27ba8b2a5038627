"""Files: written whole or not at all, whatever process is killed at whatever moment."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
from collections.abc import Callable
from pathlib import Path

__all__ = ["random_bytes_in", "serial", "temporary_beside", "write_atomically"]


serial = itertools.count()  # numbers that no other thread of this process gets


def write_atomically(
    path: Path | str, data: bytes, mode: int = 0o600, replace: bool = True, by_way_of: str = ""
) -> bool:
    """All of the data under its name, or nothing; False if it was there and is not to be replaced.

    `by_way_of` is a folder for what is unfinished. Files made in many folders take ext4 four times as long.
    """
    place = os.fspath(path)
    temporary = temporary_beside(place, by_way_of)
    try:
        with os.fdopen(_new_file(temporary, mode), "wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        if replace:
            _into_place(os.replace, temporary, place)
        else:
            _into_place(os.link, temporary, place)
        return True
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108


def random_bytes_in(path: Path) -> bytes:
    """The random bytes that a file holds, for its owner alone; made when they are first asked for. OSError if not."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    write_atomically(path, secrets.token_bytes(32), replace=False)
    return path.read_bytes()


def _new_file(place: str, mode: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(place, flags, mode)
    except FileNotFoundError:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        return os.open(place, flags, mode)


def _into_place(move: Callable[[str, str], None], temporary: str, place: str) -> None:
    try:
        move(temporary, place)
    except FileNotFoundError:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        move(temporary, place)


def temporary_beside(place: str, by_way_of: str = "") -> str:
    """A name beside a place, that no other thread or process gives."""
    folder, _, name = place.rpartition("/")
    return f"{by_way_of or folder or '.'}/.{name[:40]}.{os.getpid()}.{next(serial)}.tmp"
