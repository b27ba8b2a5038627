"""FileDigests: the digests of files, remembered by path, size and times, so that a large file is hashed once."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.cache.database import Database
from studio.values.digest import of_data, of_file

__all__ = ["FileDigests"]

_RACY_SECONDS = 2.0  # a file younger than this may change again within its time stamp
_MOST_AT_HAND = 10_000  # digests held in memory besides
_MEMO_BYTES = 1 << 16  # below this, hashing is cheaper than remembering
_TABLES = "CREATE TABLE files (stamp TEXT PRIMARY KEY, text TEXT);"
_FIND = "SELECT text FROM files WHERE stamp = ?"
_KEEP = "INSERT OR REPLACE INTO files VALUES (?, ?)"


class FileDigests:
    """Digests of files and folders, remembered by stat in a small SQLite file (or in memory).

    A file is hashed again when its device, inode, size, mtime or ctime differ. A file that was changed
    less than two seconds ago is not remembered: clocks of file systems are coarse, so it could change
    once more and keep its size and its times.
    """

    def __init__(self, memo: Path | None = None) -> None:
        self._at_hand: dict[str, str] = {}
        # No fsync: a data set would wait for the disk at every file. Where the memo is damaged it is deleted,
        # and where it is locked it is soon given up: both cost time, never correctness.
        self._memo = Database(memo, _TABLES, _deleted, synchronous="OFF", patience=1) if memo else None

    @staticmethod
    @functools.lru_cache(maxsize=8)
    def of(memo: Path) -> FileDigests:
        """Those of a file. Some files stay open, because runs follow one another."""
        return FileDigests(memo)

    @staticmethod
    @functools.cache
    def of_process() -> FileDigests:
        """Those that live as long as this process, for who has no folder to keep them in."""
        return FileDigests()

    def __call__(self, path: Path) -> str:
        """The content digest of a file, or of a folder's tree of names and contents."""
        path = Path(path)
        if path.is_dir():
            return of_data([[name, self._file(file)] for name, file in sorted(_files_in(path))])
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
        if (found := self._recall(stamp)) is not None:
            return found
        made = make()
        # The stamp was taken before the file was read: what changed meanwhile has another one.
        if time.time() - stat.st_mtime > _RACY_SECONDS:
            self._remember(stamp, made)
        return made

    def _recall(self, stamp: str) -> str | None:
        if (text := self._at_hand.get(stamp)) is not None or self._memo is None:
            return text
        if not (rows := self._memo.ask(_FIND, stamp)):
            return None
        text = str(rows[0][0])
        self._hold(stamp, text)
        return text

    def _remember(self, stamp: str, text: str) -> None:
        self._hold(stamp, text)
        if self._memo is not None:
            with contextlib.suppress(OSError):
                self._memo.write(lambda db: db.execute(_KEEP, (stamp, text)))

    def _hold(self, stamp: str, text: str) -> None:
        if len(self._at_hand) >= _MOST_AT_HAND and self._memo is not None:
            self._at_hand.clear()
        self._at_hand[stamp] = text


def _files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """All files of a folder by the names under which they are reached, through links, too; not round in a circle."""

    def within(place: Path, above: frozenset[str]) -> Iterator[tuple[str, Path]]:
        real = os.path.realpath(place)
        if real in above:
            return
        for path in place.iterdir():
            if path.is_dir():
                yield from within(path, above | {real})
            elif path.is_file():
                yield path.relative_to(folder).as_posix(), path

    return within(folder, frozenset())


def _deleted(path: Path) -> None:
    path.unlink(missing_ok=True)


def _stamp(stat: os.stat_result) -> str:
    return f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
