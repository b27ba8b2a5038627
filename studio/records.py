"""Records: texts by key, with when each was last used, in one SQLite file. It knows not what the texts say.

A file for each would be simpler, and cost an inode each: docs/decisions/0018. Writes go by one connection,
a transaction for many; look-ups by another, so that they wait for no write. What is damaged is moved to
the quarantine, one text or the whole file, and is as good as absent.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import itertools
import os
import sqlite3
import threading
import time
import urllib.parse
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from studio.store import Store

__all__ = ["Records", "Row"]

_T = TypeVar("_T")
_Answer: TypeAlias = tuple[Any, ...]
_File: TypeAlias = tuple[int, int]  # device and inode

# A key stands there as bytes, in an index of its own: with random keys, pages of what is small are written again.
# Measured, 100,000 of 700 bytes: 27 µs each; with keys as text 42 to 57, and without rowid 98 to 118.
_TABLES = """
CREATE TABLE records (
    item INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, node TEXT NOT NULL, used INTEGER NOT NULL, text BLOB NOT NULL
);
CREATE INDEX recent ON records (node, used);
"""
_ADD = "INSERT INTO records (key, node, used, text) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO "
_KEEP = _ADD + "NOTHING"
_REPLACE = _ADD + "UPDATE SET node = excluded.node, used = excluded.used, text = excluded.text"
# One bit that flips makes a text of a blob, or nothing of a number.
_KEY, _TEXT = "coalesce(CAST(key AS BLOB), x'')", "coalesce(CAST(text AS BLOB), x'')"
_USED = "CAST(coalesce(used, 0) AS INTEGER)"
_FIND = f"SELECT {_TEXT}, {_USED} FROM records WHERE key = ?"  # noqa: S608 nothing but ours is in it
_LIST = f"SELECT {_KEY}, node, {_USED} FROM records "  # noqa: S608 likewise
_ALL = _LIST + "ORDER BY used DESC, item DESC LIMIT ?"
_OF_NODE = _LIST + "WHERE node = ? ORDER BY used DESC, item DESC LIMIT ?"

_PATIENCE = 10.0  # seconds that a write waits for those of others
_PAGES = 2000  # of 4 KiB, after which what was written is carried over into the file: the disk is waited for only then
_MEMORY = 16_000  # KiB of pages that a connection keeps at hand
_FRESH = 3600  # seconds within which another use of a record is not written down
_MOST_TOUCHED = 256  # uses that are not written down yet
_MOST_STALE = 100_000  # records that were found, and whose use would be written down
_AT_ONCE = 256  # records that are read together
_NOW_AND_THEN = 1.0  # seconds after which it is looked again whether the file is still the one that was opened
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)  # the last: there is no such table

_serial = itertools.count()
_all: weakref.WeakSet[Records] = weakref.WeakSet()  # a connection must not be open in two processes
_paused: list[Records] = []
_forking = threading.Lock()
_shared: weakref.WeakValueDictionary[Path, Records] = weakref.WeakValueDictionary()
_recent: deque[Records] = deque(maxlen=8)  # stay open: runs follow one another, and closing waits for a disk


class _Malformed(Exception):
    """The file is damaged: which one it was."""

    def __init__(self, file: _File | None, error: sqlite3.Error) -> None:
        super().__init__(str(error))
        self.file = file


class Row(NamedTuple):
    """One record as it lies there."""

    key: str
    node: str
    used: int  # seconds since the epoch
    text: bytes


class Records:
    """What lies in one file, for any number of threads and processes."""

    def __init__(self, path: Path, store: Store) -> None:
        self.path = path
        self.damaged = 0  # texts and files set aside so far
        self._store = store
        self._reading, self._writing = threading.Lock(), threading.Lock()  # taken in this order
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._read_file: _File | None = None
        self._written_file: _File | None = None
        self._look_again = 0.0
        self._stale: set[str] = set()
        self._touched: set[str] = set()
        with _forking:
            _all.add(self)

    @staticmethod
    def of(path: Path, store: Store) -> Records:
        """Those of a file, shared by all in this process: SQLite closes no file while another has it open there."""
        place = path.absolute()
        with _forking:
            records = _shared.get(place)
        if records is None:
            records = _shared.setdefault(place, Records(path, store))
        if records not in _recent:
            _recent.append(records)
        return records

    # In ----------------------------------------------------------------------

    def find(self, key: str) -> bytes | None:
        """The text of a key."""
        found = self._ask(_FIND, bytes.fromhex(key))
        if not found:
            return None
        text, used = found[0]
        self._note(((key, used),))
        return bytes(text)

    def find_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The texts of those keys that are there."""
        found: dict[str, bytes] = {}
        for rows in self._ask_for(f"{_KEY}, {_TEXT}, {_USED}", keys):
            found |= {key.hex(): text for key, text, _ in rows}
            self._note((key.hex(), used) for key, _, used in rows)
        return found

    def holds(self, keys: Iterable[str]) -> set[str]:
        """Those keys that are there."""
        return {key.hex() for rows in self._ask_for(_KEY, keys) for (key,) in rows}

    def latest(self, node: str | None = None, most: int | None = None) -> Iterator[Row]:
        """Records (of one node), as they are now, the last used first."""
        self.flush()
        limit = -1 if most is None else most
        listed = self._ask(_OF_NODE, node, limit) if node else self._ask(_ALL, limit)
        for some in _portions(listed):
            texts = {
                key: text
                for rows in self._ask_for(f"{_KEY}, {_TEXT}", (row[0].hex() for row in some))
                for key, text in rows
            }
            for key, of, used in some:
                if key in texts:  # else it went meanwhile
                    yield Row(key.hex(), str(of), used, texts[key])

    def count(self) -> int:
        """How many there are."""
        found = self._ask("SELECT count(*) FROM records")
        return int(found[0][0]) if found else 0

    @property
    def size(self) -> int:
        """Bytes of the file, with what was written last and lies beside it."""
        return sum(path.stat().st_size for path in (self.path, _beside(self.path)[0]) if path.is_file())

    # Out ---------------------------------------------------------------------

    def put(self, rows: Iterable[tuple[str, str, bytes]], replace: bool = False) -> set[str]:
        """Keeps (key, node, text), all or none; the keys that were there already, and stay. OSError says why not."""
        now = int(time.time())
        given = [(bytes.fromhex(key), node, now, text) for key, node, text in rows]
        statement = _REPLACE if replace else _KEEP

        def added(db: sqlite3.Connection) -> set[bytes]:
            return {row[0] for row in given if db.execute(statement, row).rowcount}

        new = self._write(added)
        return {row[0].hex() for row in given if row[0] not in new}

    def touch(self, keys: Iterable[str]) -> None:
        """Marks what was found as used just now, by and by; a use within the last hour is enough."""
        with self._reading:
            stale = self._stale.intersection(keys)
            self._stale -= stale
            self._touched |= stale
            full = len(self._touched) >= _MOST_TOUCHED
        if full:
            self.flush()

    def flush(self) -> None:
        """Writes down what was touched, where that can be written."""
        with self._reading:
            touched, self._touched = self._touched, set()
        if touched:
            now = int(time.time())
            rows = [(now, bytes.fromhex(key)) for key in touched]
            with contextlib.suppress(OSError):  # what may only be read can still be read
                self._write(lambda db: db.executemany("UPDATE records SET used = ? WHERE key = ?", rows))

    def delete(self, keys: Iterable[str]) -> None:
        """Lets records go, and gives the room back."""
        rows = [(bytes.fromhex(key),) for key in keys]
        self._write(lambda db: db.executemany("DELETE FROM records WHERE key = ?", rows))
        self._shrink()

    def clear(self) -> None:
        """Lets all of them go. What cannot be emptied is set aside."""
        if not self.path.exists():
            return
        try:
            self._write(lambda db: db.execute("DELETE FROM records"))
            self._shrink()
        except OSError:
            self._set_aside(_identity(self.path))

    # Damage ------------------------------------------------------------------

    def set_aside(self, key: str, text: bytes) -> None:
        """Takes a text that cannot be trusted out of the way; another one under its key stays."""
        self.damaged += 1
        with contextlib.suppress(OSError):  # what may only be read stays where it is
            self._store.set_text_aside(f"{key}.json", text)
            row = (bytes.fromhex(key), text)
            self._write(lambda db: db.execute("DELETE FROM records WHERE key = ? AND CAST(text AS BLOB) = ?", row))

    def check(self) -> None:
        """Looks whether the file is sound, all of it; if not, it is set aside."""
        if any(told != "ok" for (told,) in self._ask("PRAGMA integrity_check(1)")):
            self._set_aside(_identity(self.path))

    def _set_aside(self, file: _File | None) -> bool:
        """Moves a damaged file to the quarantine, unless another process has; whether there is room for a new one."""
        try:
            with self._reading, self._writing, _alone(self.path.parent):
                self._close()
                if file is not None and _identity(self.path) == file:
                    for path in (*_beside(self.path), self.path):  # in this order, so that none meets a new file
                        self._store.set_aside(path)
                    self.damaged += 1
        except OSError:
            return False
        return True

    # The two connections -----------------------------------------------------

    def _ask_for(self, what: str, keys: Iterable[str]) -> Iterator[list[_Answer]]:
        """What the file answers for some keys, a portion at a time."""
        for some in _portions(map(bytes.fromhex, keys)):
            yield self._ask(_among(what, len(some)), *some)

    def _ask(self, question: str, *given: object) -> list[_Answer]:
        """What the file answers; nothing where it is not there, or cannot be read."""
        with self._reading:
            try:
                db = self._readable()
                return db.execute(question, given).fetchall() if db else []
            except sqlite3.Error as error:
                file = self._read_file if _is_damage(error) else None
        if file is not None:
            self._set_aside(file)
        return []

    def _note(self, found: Iterable[tuple[str, int]]) -> None:
        """Remembers which of those found were not used of late."""
        old = time.time() - _FRESH
        stale = [key for key, used in found if used < old]
        if stale:
            with self._reading:
                if len(self._stale) > _MOST_STALE:
                    self._stale.clear()
                self._stale.update(stale)

    def _readable(self) -> sqlite3.Connection | None:
        """The connection for reading; nothing where there is no file. What does not open is tried now and then."""
        now = time.monotonic()
        if self._reader is not None and now < self._look_again:
            return self._reader
        file = _identity(self.path)
        if file != self._read_file or (self._reader is None and now >= self._look_again):
            _closed(self._reader)
            self._reader, self._read_file, self._look_again = None, file, now + _NOW_AND_THEN
            self._reader = _opened_for_reading(self.path) if file else None
        elif self._reader is not None:
            self._look_again = now + _NOW_AND_THEN
        return self._reader

    def _write(self, deed: Callable[[sqlite3.Connection], _T]) -> _T:
        """Does something in a transaction; where the file is damaged, in a new one. OSError says why it cannot."""
        try:
            return self._transaction(deed)
        except _Malformed as malformed:
            if not self._set_aside(malformed.file):
                raise OSError(f"{self.path.name}: {malformed}") from None
        try:
            return self._transaction(deed)
        except _Malformed as malformed:
            raise OSError(f"{self.path.name}: {malformed}") from None

    def _transaction(self, deed: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._writing:
            try:
                db = self._writable()
                with _begun(db):
                    return deed(db)
            except sqlite3.Error as error:
                if _is_damage(error):
                    raise _Malformed(self._written_file, error) from None
                raise OSError(f"{self.path.name}: {error}") from None

    def _writable(self) -> sqlite3.Connection:
        file = _identity(self.path)
        if self._writer is None or file != self._written_file:
            _closed(self._writer)
            self._writer = None
            if file is None:
                self._begin()
            self._written_file = _identity(self.path)
            self._writer = _opened_for_writing(self.path)
            self._look_again = 0.0
        return self._writer

    def _begin(self) -> None:
        """Makes the file, empty, under another name first: whoever sees it sees all of it."""
        folder = Path(self._store.unfinished)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{self.path.name}.{os.getpid()}.{next(_serial)}.tmp"
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        try:
            _make(temporary)
            with _alone(self.path.parent):
                if not self.path.exists():  # else somebody was faster
                    for path in _beside(self.path):  # of a file that somebody deleted: it would be taken for ours
                        path.unlink(missing_ok=True)
                    with contextlib.suppress(FileExistsError):  # where nobody can be kept waiting
                        os.link(temporary, self.path)
        finally:
            for path in (temporary, *_beside(temporary)):
                path.unlink(missing_ok=True)

    def _shrink(self) -> None:
        """Gives room back that is not needed any more."""
        with self._writing, contextlib.suppress(sqlite3.Error):  # others may be reading: then another time
            db = self._writable()
            db.executescript("PRAGMA incremental_vacuum")  # `execute` would give back a single page
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _close(self) -> None:
        _closed(self._reader)
        _closed(self._writer)
        self._reader = self._writer = None
        self._look_again = 0.0

    def close(self) -> None:
        """Lets go of the file until it is needed again."""
        self.flush()
        with self._reading, self._writing:
            self._close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, TypeError):  # at the end of the process
            self._close()

    def _pause(self) -> None:
        self._reading.acquire()
        self._writing.acquire()
        self._close()

    def _resume(self) -> None:
        self._writing.release()
        self._reading.release()


def _make(path: Path) -> None:
    db = _connected(path, "rw")
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL").fetchall()  # where that cannot be had, it stays as it is
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(f"BEGIN; {_TABLES} COMMIT;")
    finally:
        db.close()


def _opened_for_writing(path: Path) -> sqlite3.Connection:
    db = _connected(path, "rw")
    try:
        for pragma in ("synchronous = NORMAL", f"wal_autocheckpoint = {_PAGES}", f"cache_size = -{_MEMORY}"):
            db.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        db.close()
        raise
    return db


def _opened_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that finds what is there; in a folder that takes nothing, as well as can be."""
    modes = ["rw", "ro"] if os.access(path.parent, os.W_OK) else ["ro", "ro&immutable=1"]
    for mode in modes:
        db = _connected(path, mode)
        try:
            db.execute(f"PRAGMA cache_size = -{_MEMORY}")
            db.execute("SELECT 1 FROM records LIMIT 1").fetchall()
        except sqlite3.OperationalError:
            db.close()
            if mode == modes[-1]:
                raise
        except BaseException:
            db.close()
            raise
        else:
            return db
    raise AssertionError


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    place = f"file:{urllib.parse.quote(str(path.absolute()))}?mode={mode}"
    db = sqlite3.connect(place, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    db.text_factory = lambda text: text.decode("utf-8", "replace")
    return db


def _closed(db: sqlite3.Connection | None) -> None:
    if db is not None:
        with contextlib.suppress(sqlite3.Error):
            db.close()


@contextlib.contextmanager
def _begun(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction: all that is done in it, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
        raise


@functools.lru_cache(maxsize=1024)
def _among(what: str, count: int) -> str:
    return f"SELECT {what} FROM records WHERE key IN ({','.join('?' * count)})"  # noqa: S608 nothing but ours is in it


def _portions(things: Iterable[_T]) -> Iterator[list[_T]]:
    left = iter(things)
    while some := list(itertools.islice(left, _AT_ONCE)):
        yield some


def _beside(path: Path) -> tuple[Path, Path]:
    """The log of a file, and the index of that."""
    return Path(f"{path}-wal"), Path(f"{path}-shm")


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _identity(path: Path) -> _File | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other processes that do the same waiting."""
    held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # no locks here: go on without
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _before_fork() -> None:
    """Closes all: what SQLite knows of its locks would be wrong in the child."""
    _forking.acquire()
    _paused.extend(_all)
    for records in _paused:
        records._pause()


def _after_fork() -> None:
    while _paused:
        _paused.pop()._resume()
    _forking.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
