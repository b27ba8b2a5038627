"""ExclusiveDatabase: one SQLite file that one process holds from open to close."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.cache.database.connection import Answer, as_os_error, closed, connected, transaction
from studio.cache.database.forks import watch

__all__ = ["ExclusiveDatabase"]


class ExclusiveDatabase:
    """One connection, which reads and writes; nobody else can do either. Damage is told, never mended: Malformed.

    The lock is the kernel's, and ends with its holder. A write-ahead log and no fsync: what a kill leaves is
    whole, what a power cut leaves may not be. Because the file is held, its log needs no shared memory, and so
    nothing of a network folder but locks.
    """

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection], None]) -> None:
        """BlockingIOError while another holds the file.

        `prepare` is called in a transaction whenever the file is opened. It makes the tables of a new file, and
        raises if the file is none of ours.
        """
        self.path = path
        self._prepare = prepare
        self._mutex = threading.RLock()  # held while the file is used, and around a fork
        self._why_closed = "it is closed"
        self._was_open = True
        self._db: sqlite3.Connection | None = self._opened()
        watch(self)

    def execute(self, statement: str, *given: object) -> list[Answer]:
        """Carries out a statement, and gives all that it answers."""
        with self._mutex:
            try:
                return self._connection().execute(statement, given).fetchall()
            except sqlite3.Error as error:
                raise as_os_error(self.path, error) from None

    def each(self, question: str, *given: object) -> Iterator[Answer]:
        """The answers to a question that may have very many, one after the other."""
        with self._mutex:
            try:
                yield from self._connection().execute(question, given)
            except sqlite3.Error as error:
                raise as_os_error(self.path, error) from None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done inside, or nothing."""
        with self._mutex:
            try:
                db = self._connection()
                with transaction(db):
                    yield db
            except sqlite3.Error as error:
                raise as_os_error(self.path, error) from None

    def check_held(self) -> None:
        """OSError unless this process holds the file."""
        self._connection()

    def close(self) -> None:
        """Lets others have the file."""
        with self._mutex:
            closed(self._db)
            self._db = None

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise OSError(f"{self.path.name}: {self._why_closed}")
        return self._db

    def _opened(self) -> sqlite3.Connection:
        db = None
        try:
            db = connected(self.path, "rwc", patience=0)
            for pragma in ("locking_mode = EXCLUSIVE", "synchronous = OFF", "cache_size = -8192"):
                db.execute(f"PRAGMA {pragma}")
            db.execute("BEGIN EXCLUSIVE")
            self._prepare(db)
            db.execute("COMMIT")
            db.execute("PRAGMA journal_mode = WAL")  # the usual one makes a file at each commit, which costs most
        except sqlite3.Error as error:
            closed(db)
            raise as_os_error(self.path, error) from None
        except BaseException:
            closed(db)
            raise
        return db

    # Around a fork the file is let go for a moment. The parent takes it back at once; the child has none of it.

    def before_fork(self) -> None:
        """Closes the file, and keeps other threads from it."""
        self._mutex.acquire()
        self._was_open = self._db is not None
        self.close()

    def after_fork(self, in_child: bool) -> None:
        """Opens the file again in the parent."""
        try:
            if in_child:
                self._why_closed = "the process that this one was forked from holds it"
            elif self._was_open:
                self._db = self._opened()
        except Exception as error:
            self._why_closed = f"it could not be taken back after a fork ({error})"
        finally:
            self._mutex.release()
