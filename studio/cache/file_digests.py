"""FileDigests: the digests of files, remembered by path, size and times, so that a large file is hashed once."""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from studio.values.digest import of_data, of_file

__all__ = ["FileDigests"]

_RACY_SECONDS = 2.0  # a file younger than this may change again within its time stamp
_MOST_AT_HAND = 10_000  # digests held in memory besides
_MEMO_BYTES = 1 << 16  # below this, hashing is cheaper than remembering


class FileDigests:
    """Digests of files and folders, remembered by stat in a small SQLite file (or in memory).

    A file is hashed again when its device, inode, size, mtime or ctime differ, and is not
    remembered at all while it is so young that it could still change unseen.
    """

    def __init__(self, memo: Path | None = None) -> None:
        self._memo = memo
        self._found: dict[str, str] = {}
        self._mutex = threading.Lock()
        self._open: sqlite3.Connection | None = None

    @staticmethod
    @functools.cache
    def of_process() -> FileDigests:
        """Those that live as long as this process, for who has no folder to keep them in."""
        return FileDigests()

    def __call__(self, path: Path) -> str:
        """The content digest of a file, or of a folder's tree of names and contents."""
        path = Path(path)
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            return of_data([[p.relative_to(path).as_posix(), self._file(p)] for p in files])
        return self._file(path)

    def view(self, path: Path, name: str, make: Callable[[], str]) -> str:
        """Some text that follows from a file's content, made once and remembered as its digest is."""
        stat = path.stat()
        return self._remembered(f"{name}:{_stamp(stat)}", stat, make)

    def _file(self, path: Path) -> str:
        stat = path.stat()
        if stat.st_size < _MEMO_BYTES:
            return of_file(path)
        return self._remembered(_stamp(stat), stat, lambda: of_file(path))

    def _remembered(self, stamp: str, stat: os.stat_result, make: Callable[[], str]) -> str:
        with self._mutex:
            if (found := self._recall(stamp)) is not None:
                return found
        made = make()
        if time.time() - stat.st_mtime > _RACY_SECONDS:
            with self._mutex:
                self._remember(stamp, made)
        return made

    def _recall(self, stamp: str) -> str | None:
        if stamp not in self._found and (db := self._database()):
            try:
                row = db.execute("SELECT text FROM files WHERE stamp = ?", (stamp,)).fetchone()
            except sqlite3.Error:
                return None
            if row:
                self._found[stamp] = row[0]
        return self._found.get(stamp)

    def _remember(self, stamp: str, text: str) -> None:
        if len(self._found) >= _MOST_AT_HAND and self._memo is not None:
            self._found.clear()
        self._found[stamp] = text
        if db := self._database():
            with contextlib.suppress(sqlite3.Error):  # what cannot be kept costs time, never correctness
                db.execute("INSERT OR REPLACE INTO files VALUES (?, ?)", (stamp, text))
                db.commit()

    def _database(self) -> sqlite3.Connection | None:
        if self._open is None and self._memo is not None:
            try:
                self._memo.parent.mkdir(parents=True, exist_ok=True)
                self._open = sqlite3.connect(self._memo, timeout=1, check_same_thread=False)
                self._open.execute(
                    "PRAGMA synchronous=OFF"
                )  # to wait for the disk at each file costs a data set dearly
                self._open.execute("CREATE TABLE IF NOT EXISTS files (stamp TEXT PRIMARY KEY, text TEXT)")
            except (sqlite3.Error, OSError):
                self._memo = self._open = None
        return self._open


def _stamp(stat: os.stat_result) -> str:
    return f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
