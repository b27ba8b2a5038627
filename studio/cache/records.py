"""Records: texts by key, with when each was last used, in one SQLite file. It does not know what the texts say.

A file for each would be simpler, and cost an inode each: docs/decisions/0018. A text that is damaged is
moved to the quarantine, and is as good as absent.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import sqlite3
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from studio.cache.database import Answer, Database
from studio.cache.store import Store

__all__ = ["Records", "StoredRecord"]

_T = TypeVar("_T")

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
# A single flipped bit in the file can turn a blob into a text, or a number into NULL: hence the casts.
_KEY, _TEXT = "coalesce(CAST(key AS BLOB), x'')", "coalesce(CAST(text AS BLOB), x'')"
_USED = "CAST(coalesce(used, 0) AS INTEGER)"
_FIND = f"SELECT {_TEXT}, {_USED} FROM records WHERE key = ?"  # noqa: S608 nothing but ours is in it
_LIST = f"SELECT {_KEY}, node, {_USED} FROM records "  # noqa: S608 likewise
_ALL = _LIST + "ORDER BY used DESC, item DESC LIMIT ?"
_OF_NODE = _LIST + "WHERE node = ? ORDER BY used DESC, item DESC LIMIT ?"

_FRESH = 600  # seconds within which another use of a record is not written down
_MOST_TOUCHED = 256  # uses that are not written down yet
_MOST_STALE = 100_000  # records that were found, and whose use would be written down
_AT_ONCE = 256  # records that are read together

_shared: weakref.WeakValueDictionary[Path, Records] = weakref.WeakValueDictionary()
_recent: deque[Records] = deque(maxlen=8)  # stay open: runs follow one another, and closing waits for a disk


class StoredRecord(NamedTuple):
    """One record as it lies there."""

    key: str
    node: str
    used: int  # seconds since the epoch
    text: bytes


class Records:
    """What lies in one file, for any number of threads and processes."""

    def __init__(self, path: Path, store: Store) -> None:
        self.path = path
        self._store = store
        self._file = Database(path, _TABLES, store.set_aside)
        self._damaged = 0  # texts
        self._stale: set[str] = set()
        self._touched: set[str] = set()

    @staticmethod
    def of(path: Path, store: Store) -> Records:
        """Those of a file, shared by all in this process: SQLite closes no file while another has it open there."""
        place = path.absolute()
        records = _shared.get(place) or _shared.setdefault(place, Records(path, store))
        if records not in _recent:
            _recent.append(records)
        return records

    @property
    def damaged(self) -> int:
        """Texts and files set aside so far."""
        return self._damaged + self._file.damaged

    # Reading -----------------------------------------------------------------

    def find(self, key: str) -> bytes | None:
        """The text of a key."""
        found = self._file.ask(_FIND, bytes.fromhex(key))
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

    def latest(self, node: str | None = None, most: int | None = None) -> Iterator[StoredRecord]:
        """Records (of one node), as they are now, the last used first."""
        self.flush()
        limit = -1 if most is None else most
        listed = self._file.ask(_OF_NODE, node, limit) if node else self._file.ask(_ALL, limit)
        for some in _portions(listed):
            texts = {
                key: text
                for rows in self._ask_for(f"{_KEY}, {_TEXT}", (row[0].hex() for row in some))
                for key, text in rows
            }
            for key, of, used in some:
                if key in texts:  # else it went meanwhile
                    yield StoredRecord(key.hex(), str(of), used, texts[key])

    def count(self) -> int:
        """How many there are."""
        found = self._file.ask("SELECT count(*) FROM records")
        return int(found[0][0]) if found else 0

    @property
    def size(self) -> int:
        """Bytes of the file, with what was written last and lies beside it."""
        return self._file.size

    # Writing -----------------------------------------------------------------

    def put(self, rows: Iterable[tuple[str, str, bytes]], replace: bool = False) -> set[str]:
        """Keeps (key, node, text), all or none; the keys that were there already, and stay. OSError says why not."""
        now = int(time.time())
        given = [(bytes.fromhex(key), node, now, text) for key, node, text in rows]
        statement = _REPLACE if replace else _KEEP

        def added(db: sqlite3.Connection) -> set[bytes]:
            return {row[0] for row in given if db.execute(statement, row).rowcount}

        new = self._file.write(added)
        return {row[0].hex() for row in given if row[0] not in new}

    def touch(self, keys: Iterable[str]) -> None:
        """Marks what was found as used just now. A use is written at most every ten minutes, many together."""
        with self._file.mutex:
            stale = self._stale.intersection(keys)
            self._stale -= stale
            self._touched |= stale
            full = len(self._touched) >= _MOST_TOUCHED
        if full:
            self.flush()

    def flush(self) -> None:
        """Writes down what was touched, where that can be written."""
        with self._file.mutex:
            touched, self._touched = self._touched, set()
        if touched:
            now = int(time.time())
            rows = [(now, bytes.fromhex(key)) for key in touched]
            with contextlib.suppress(OSError):  # what may only be read can still be read
                self._file.write(lambda db: db.executemany("UPDATE records SET used = ? WHERE key = ?", rows))

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes records, and gives the room back."""
        rows = [(bytes.fromhex(key),) for key in keys]
        self._file.write(lambda db: db.executemany("DELETE FROM records WHERE key = ?", rows))
        self._file.shrink()

    def clear(self) -> None:
        """Deletes all of them. A file that cannot be emptied is set aside."""
        if not self.path.exists():
            return
        try:
            self._file.write(lambda db: db.execute("DELETE FROM records"))
            self._file.shrink()
        except OSError:
            self._file.discard()

    # Damage ------------------------------------------------------------------

    def set_aside(self, key: str, text: bytes) -> None:
        """Takes a text that cannot be trusted out of the way; another one under its key stays."""
        self._damaged += 1
        with contextlib.suppress(OSError):  # what may only be read stays where it is
            self._store.set_text_aside(f"{key}.json", text)
            row = (bytes.fromhex(key), text)
            self._file.write(lambda db: db.execute("DELETE FROM records WHERE key = ? AND CAST(text AS BLOB) = ?", row))

    def check(self) -> None:
        """Looks whether the file is sound, all of it; if not, it is set aside."""
        self._file.check()

    def close(self) -> None:
        """Lets go of the file until it is needed again."""
        self.flush()
        self._file.close()

    # Answers -----------------------------------------------------------------

    def _ask_for(self, what: str, keys: Iterable[str]) -> Iterator[list[Answer]]:
        """What the file answers for some keys, a portion at a time."""
        for some in _portions(map(bytes.fromhex, keys)):
            yield self._file.ask(_among(what, len(some)), *some)

    def _note(self, found: Iterable[tuple[str, int]]) -> None:
        """Remembers which of those found were not used of late."""
        old = time.time() - _FRESH
        stale = [key for key, used in found if used < old]
        if stale:
            with self._file.mutex:
                if len(self._stale) > _MOST_STALE:
                    self._stale.clear()
                self._stale.update(stale)


@functools.lru_cache(maxsize=1024)
def _among(what: str, count: int) -> str:
    return f"SELECT {what} FROM records WHERE key IN ({','.join('?' * count)})"  # noqa: S608 nothing but ours is in it


def _portions(things: Iterable[_T]) -> Iterator[list[_T]]:
    left = iter(things)
    while some := list(itertools.islice(left, _AT_ONCE)):
        yield some
