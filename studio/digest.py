"""The hash of a content: of bytes, of a file, of plain data. It knows no value, no step and no cache.

Every digest is BLAKE3-256 in hexadecimal. Plain data is encoded with a tag for every type and a
length before every part, so that two different things never share an encoding: `1`, `1.0`, `"1"`
and `True` are four. What has no canonical encoding raises `Uncacheable`, and never becomes a constant.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

__all__ = ["FileDigests", "Uncacheable", "canonical", "of_bytes", "of_data", "of_file"]

_RACY_SECONDS = 2.0  # a file younger than this may change again within its time stamp
_MAPPED_BYTES = 1 << 20  # from here on mapping a file and hashing it with several threads is quicker than reading it
_MOST_AT_HAND = 10_000  # digests held in memory besides
_MEMO_BYTES = 1 << 16  # below this, hashing is cheaper than remembering


class Uncacheable(Exception):
    """Something in a key has no canonical encoding; its text says what."""


def of_bytes(data: bytes | memoryview) -> str:
    """The digest of some bytes."""
    return blake3(data).hexdigest()


def of_data(data: object) -> str:
    """The digest of plain data (None, bool, int, float, str, bytes, lists, dicts), types told apart."""
    return blake3(canonical(data)).hexdigest()


def of_file(path: Path) -> str:
    """The digest of a file's bytes."""
    if path.stat().st_size < _MAPPED_BYTES:
        return of_bytes(path.read_bytes())
    hasher = blake3(max_threads=blake3.AUTO)
    hasher.update_mmap(path)
    return hasher.hexdigest()


def canonical(data: object) -> bytes:
    """One byte string for each piece of plain data; dicts regardless of their order."""
    encode = _ENCODERS.get(type(data))
    if encode is None:
        raise Uncacheable(f"a {type(data).__name__} has no canonical form")
    return encode(data)


def _tagged(tag: bytes, body: bytes) -> bytes:
    return tag + struct.pack(">Q", len(body)) + body


def _dict(data: dict[object, object]) -> bytes:
    items = sorted((canonical(key), canonical(value)) for key, value in data.items())
    return _tagged(b"d", b"".join(key + value for key, value in items))


def _list(data: list[object] | tuple[object, ...]) -> bytes:
    return _tagged(b"l", b"".join(map(canonical, data)))


_ENCODERS: dict[type, Callable[..., bytes]] = {
    type(None): lambda _: b"n",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: _tagged(b"i", str(value).encode()),
    float: lambda value: b"f" + struct.pack(">d", value),
    str: lambda value: _tagged(b"s", value.encode("utf-8", "surrogatepass")),
    bytes: lambda value: _tagged(b"b", value),
    list: _list,
    tuple: _list,
    dict: _dict,
}


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
