"""Connections to SQLite: how they are opened and closed, transactions, and what their errors mean."""

from __future__ import annotations

import contextlib
import sqlite3
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Answer", "Malformed", "as_os_error", "closed", "connected", "is_damage", "transaction"]

Answer: TypeAlias = tuple[Any, ...]

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)  # the last: there is no such table
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Malformed(OSError):
    """The file is damaged, or no database of ours."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path.name}: {reason}")
        self.reason = reason


def connected(path: Path, mode: str, patience: float) -> sqlite3.Connection:
    """A connection that waits so many seconds for locks of others. Whoever uses it begins its transactions."""
    place = f"file:{urllib.parse.quote(str(path.absolute()))}?mode={mode}"
    return sqlite3.connect(place, uri=True, timeout=patience, isolation_level=None, check_same_thread=False)


def closed(db: sqlite3.Connection | None) -> None:
    """Closes a connection, if there is one; what goes wrong then is of no matter."""
    if db is not None:
        with contextlib.suppress(sqlite3.Error):
            db.close()


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All that is done inside, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            if db.in_transaction:  # a full disk may have ended it already
                db.execute("ROLLBACK")
        raise


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is at fault: not a lock, not a disk, not the program."""
    return _code(error) in _DAMAGED


def as_os_error(path: Path, error: sqlite3.Error) -> OSError:
    """What an error means: Malformed, BlockingIOError where another process is in the way, or another OSError."""
    if is_damage(error):
        return Malformed(path, str(error))
    text = f"{path.name}: {error}"
    return BlockingIOError(text) if _code(error) in _LOCKED else OSError(text)


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
