"""Database: one SQLite file, for any number of threads and processes at once."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias, TypeVar

from studio.cache.database.connection import Answer, as_os_error, closed, connected, is_damage, transaction
from studio.cache.database.forks import watch

__all__ = ["Database"]

_T = TypeVar("_T")
_File: TypeAlias = tuple[int, int]  # device and inode

_PAGES = 2000  # of 4 KiB, after which what was written is carried over into the file: the disk is waited for only then
_MEMORY = 16_000  # KiB of pages that a connection keeps at hand
_NOW_AND_THEN = 1.0  # seconds after which it is looked again whether the file is still the one that was opened

_serial = itertools.count()


class _Damage(Exception):
    """A file that was written to is damaged: which one it was."""

    def __init__(self, file: _File | None, error: OSError) -> None:
        super().__init__(str(error))
        self.file, self.error = file, error


class Database:
    """What lies in one file, which is made when something is first written. A damaged file is as good as none.

    Writes go by one connection, a transaction for many; questions by another, so that they wait for no write.
    """

    def __init__(
        self,
        path: Path,
        tables: str,
        set_aside: Callable[[Path], None],
        *,
        synchronous: str = "NORMAL",
        patience: float = 10.0,
    ) -> None:
        """With these tables. A damaged file, and what lies beside it, is `set_aside`: moved away, or deleted.

        `synchronous` is SQLite's word for how much is waited for the disk; `patience` are the seconds that
        a write waits for those of others.
        """
        self.path = path
        self.patience = patience
        self.damaged = 0  # files set aside so far
        self.mutex = threading.Lock()  # held while it is asked, and around a fork; never while it is written to
        self._tables, self._set_file_aside, self._synchronous = tables, set_aside, synchronous
        self._writing = threading.Lock()  # taken after the other
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._read_file: _File | None = None
        self._written_file: _File | None = None
        self._look_again = 0.0
        watch(self)

    # What it takes and gives ----------------------------------------------------

    def ask(self, question: str, *given: object) -> list[Answer]:
        """What the file answers; nothing where it is not there, or cannot be read."""
        with self.mutex:
            try:
                db = self._readable()
                return db.execute(question, given).fetchall() if db else []
            except sqlite3.Error as error:
                file = self._read_file if is_damage(error) else None
        if file is not None:
            self._set_aside(file)
        return []

    def write(self, change: Callable[[sqlite3.Connection], _T]) -> _T:
        """Makes a change in a transaction; where the file is damaged, in a new one. OSError says why it cannot."""
        try:
            return self._transaction(change)
        except _Damage as damage:
            if not self._set_aside(damage.file):
                raise damage.error from None
        try:
            return self._transaction(change)
        except _Damage as damage:
            raise damage.error from None

    @property
    def size(self) -> int:
        """Bytes of the file, with what was written last and lies beside it."""
        return sum(path.stat().st_size for path in (self.path, _beside(self.path)[0]) if path.is_file())

    # Upkeep ---------------------------------------------------------------------

    def shrink(self) -> None:
        """Gives room back that is not needed any more."""
        with self._writing, contextlib.suppress(sqlite3.Error):  # others may be reading: then another time
            db = self._writable()
            db.executescript("PRAGMA incremental_vacuum")  # `execute` would give back a single page
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def check(self) -> None:
        """Looks whether the file is sound, all of it; if not, it is set aside."""
        if any(told != "ok" for (told,) in self.ask("PRAGMA integrity_check(1)")):
            self.discard()

    def discard(self) -> None:
        """Sets the file aside, whatever is in it."""
        self._set_aside(_identity(self.path))

    def close(self) -> None:
        """Lets go of the file until it is needed again."""
        with self.mutex, self._writing:
            self._close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, TypeError):  # at the end of the process
            self._close()

    def _set_aside(self, file: _File | None) -> bool:
        """Sets a damaged file aside, unless another process has; whether there is room for a new one."""
        try:
            with self.mutex, self._writing, _alone(self.path.parent):
                self._close()
                if file is not None and _identity(self.path) == file:
                    for path in (*_beside(self.path), self.path):  # in this order, so that none meets a new file
                        self._set_file_aside(path)
                    self.damaged += 1
        except OSError:
            return False
        return True

    # The two connections --------------------------------------------------------

    def _readable(self) -> sqlite3.Connection | None:
        """The connection for reading; nothing where there is no file. What does not open is tried now and then."""
        now = time.monotonic()
        if self._reader is not None and now < self._look_again:
            return self._reader
        file = _identity(self.path)
        if file != self._read_file or (self._reader is None and now >= self._look_again):
            closed(self._reader)
            self._reader, self._read_file, self._look_again = None, file, now + _NOW_AND_THEN
            self._reader = self._opened_for_reading() if file else None
        elif self._reader is not None:
            self._look_again = now + _NOW_AND_THEN
        return self._reader

    def _transaction(self, change: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._writing:
            try:
                db = self._writable()
                with transaction(db):
                    return change(db)
            except sqlite3.Error as error:
                told = as_os_error(self.path, error)
                raise (_Damage(self._written_file, told) if is_damage(error) else told) from None

    def _writable(self) -> sqlite3.Connection:
        file = _identity(self.path)
        if self._writer is None or file != self._written_file:
            closed(self._writer)
            self._writer = None
            if file is None:
                self._begin()
            self._written_file = _identity(self.path)
            self._writer = self._opened_for_writing()
            self._look_again = 0.0
        return self._writer

    def _begin(self) -> None:
        """Makes the file, empty, under another name first: whoever sees it sees all of it."""
        unfinished = self.path.parent / "unfinished"
        unfinished.mkdir(parents=True, exist_ok=True)
        temporary = unfinished / f".{self.path.name}.{os.getpid()}.{next(_serial)}.tmp"
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        try:
            self._make(temporary)
            with _alone(self.path.parent):
                if not self.path.exists():  # else somebody was faster
                    for path in _beside(self.path):  # of a file that somebody deleted: it would be taken for ours
                        path.unlink(missing_ok=True)
                    with contextlib.suppress(FileExistsError):  # where nobody can be kept waiting
                        os.link(temporary, self.path)
        finally:
            for path in (temporary, *_beside(temporary)):
                path.unlink(missing_ok=True)

    def _make(self, path: Path) -> None:
        db = connected(path, "rw", self.patience)
        try:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL").fetchall()  # where that cannot be had, it stays as it is
            db.execute(f"PRAGMA synchronous = {self._synchronous}")
            db.executescript(f"BEGIN; {self._tables} COMMIT;")
        finally:
            db.close()

    def _opened_for_writing(self) -> sqlite3.Connection:
        db = connected(self.path, "rw", self.patience)
        pragmas = (f"synchronous = {self._synchronous}", f"wal_autocheckpoint = {_PAGES}", f"cache_size = -{_MEMORY}")
        try:
            for pragma in pragmas:
                db.execute(f"PRAGMA {pragma}").fetchall()
        except BaseException:
            db.close()
            raise
        return db

    def _opened_for_reading(self) -> sqlite3.Connection:
        """A connection that finds what is there; in a folder that takes nothing, as well as can be."""
        modes = ["rw", "ro"] if os.access(self.path.parent, os.W_OK) else ["ro", "ro&immutable=1"]
        for mode in modes:
            db = connected(self.path, mode, self.patience)
            db.text_factory = _decoded
            try:
                db.execute(f"PRAGMA cache_size = -{_MEMORY}")
                db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
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

    def _close(self) -> None:
        closed(self._reader)
        closed(self._writer)
        self._reader = self._writer = None
        self._look_again = 0.0

    def before_fork(self) -> None:
        """Lets go of the file, and keeps other threads from it."""
        self.mutex.acquire()
        self._writing.acquire()
        self._close()

    def after_fork(self, in_child: bool) -> None:
        """Lets other threads have the file again. Parent and child open it when they need it."""
        self._writing.release()
        self.mutex.release()


def _decoded(text: bytes) -> str:
    """A text that may be damaged: it is told apart by what is in it, not by an error."""
    return text.decode("utf-8", "replace")


def _beside(path: Path) -> tuple[Path, Path]:
    """The log of a file, and the index of that."""
    return Path(f"{path}-wal"), Path(f"{path}-shm")


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
