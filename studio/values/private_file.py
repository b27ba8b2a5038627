"""PrivateFile: a place for one file under its own name, in a folder of its own, there as long as somebody holds it."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
import time
import weakref
from collections import deque
from pathlib import Path, PosixPath

from studio.files import serial

__all__ = ["PrivateFile", "is_file_name", "remove_left_over"]

_PREFIX = "studio-files-"
_LONGEST = 255  # bytes in a name
_YOUNG = 60.0  # seconds in which the folder of another process may not be locked yet


def is_file_name(name: object) -> bool:
    """Whether this is the plain name of a file: text, no way into another folder, no longer than file systems take."""
    if not isinstance(name, str) or not name or name in (".", "..") or "/" in name or "\0" in name:
        return False
    try:
        return len(name.encode()) <= _LONGEST
    except UnicodeEncodeError:
        return False


class PrivateFile:
    """A place for a file; whatever lies in its folder goes when nobody holds this any more."""

    __slots__ = ("__weakref__", "_home", "_path")

    def __init__(self, name: str, within: Path | None = None) -> None:
        """`within` is a folder on the file system of the file; without, it is that of temporary files."""
        place = str(within.absolute()) if within else tempfile.gettempdir()
        self._home = _own_folder(place, os.getpid())
        try:
            folder = self._home.new_folder()
        except FileNotFoundError:  # somebody has tidied up
            _own_folder.cache_clear()
            self._home = _own_folder(place, os.getpid())
            folder = self._home.new_folder()
        self._path = folder, name
        weakref.finalize(self, _emptied, folder, self._home.free, os.getpid())

    @property
    def path(self) -> Path:
        """Where it lies. Who holds the path holds the file."""
        path = _HoldingPath(*self._path)
        path.held = self
        return path


class _HoldingPath(PosixPath):
    """A path as any other; what is made of it, as its parent, holds nothing."""

    held: PrivateFile


class _OwnFolder:
    """The folder of this process. It is locked as long as the process lives, so others know whether it is left over."""

    def __init__(self, within: str) -> None:
        self.free = deque[str]()  # folders that are used again: to make and remove one takes ten times as long
        Path(within).mkdir(parents=True, exist_ok=True)
        remove_left_over(within)
        self.path = tempfile.mkdtemp(prefix=_PREFIX, dir=within)
        lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        _locked(lock)
        weakref.finalize(self, _closed, self.path, lock, os.getpid())

    def new_folder(self) -> str:
        """An empty folder."""
        with contextlib.suppress(IndexError):
            while True:
                if os.path.isdir(folder := self.free.pop()):  # noqa: PTH112
                    return folder
        folder = f"{self.path}/{next(serial)}"
        os.mkdir(folder, 0o700)  # noqa: PTH102  half the time of a Path
        return folder


@functools.lru_cache(maxsize=8)
def _own_folder(within: str, _process: int) -> _OwnFolder:
    """That of a process: a fork has its own."""
    return _OwnFolder(within)


def remove_left_over(within: str | Path) -> None:
    """Removes what processes left in a folder that were killed."""
    with os.scandir(within) as entries:
        folders = [entry.path for entry in entries if entry.name.startswith(_PREFIX)]
    for folder in folders:
        with contextlib.suppress(OSError):
            stat = os.stat(folder, follow_symlinks=False)  # noqa: PTH116
            if stat.st_uid == os.getuid() and time.time() - stat.st_mtime > _YOUNG and _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: str) -> bool:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return _locked(lock)
    finally:
        os.close(lock)


def _locked(folder: int) -> bool:
    """Whether the lock is ours now; where a file system has none, nothing is ever taken for left over."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _emptied(folder: str, free: deque[str], owner: int) -> None:
    """Removes what is in a folder that nobody uses any more, and has it used again."""
    if os.getpid() != owner:  # what a fork forgets, its parent may still use
        return
    try:
        for name in os.listdir(folder):  # noqa: PTH208
            os.unlink(f"{folder}/{name}")  # noqa: PTH108
    except OSError:  # a folder is in it, or it is gone
        shutil.rmtree(folder, ignore_errors=True)
    else:
        free.append(folder)


def _removed(folder: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _closed(folder: str, lock: int, owner: int) -> None:
    _removed(folder, owner)
    with contextlib.suppress(OSError):
        os.close(lock)
