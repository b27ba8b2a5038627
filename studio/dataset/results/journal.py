"""Journal: which items a run has been through, and where the line of each lies. It knows no line's text.

Ids stand there as they are, because those that follow each other then lie on one page, which a commit writes
as a whole (3.0 µs a line; by their digests 8.4). Long ones stand by their digest.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias

from studio.cache.database import ExclusiveDatabase
from studio.values.digest import of_bytes

__all__ = ["Foreign", "Journal", "JournalEntry", "JournalItem", "LinePlace"]

JournalItem: TypeAlias = tuple[
    str, str, str, int, int, int, float, str
]  # as in _WRITE, with its id and without the session

_OURS = 0x69436F4C  # the application id in the file
_FORMAT = 2
_LONGEST = 40  # bytes of an id that stands as it is
_TABLES = """
CREATE TABLE items (
    item INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, digest TEXT NOT NULL, status TEXT NOT NULL,
    position INTEGER NOT NULL, session INTEGER NOT NULL, start INTEGER NOT NULL, size INTEGER NOT NULL,
    seconds REAL NOT NULL, kind TEXT NOT NULL
);
CREATE TABLE sessions (
    session INTEGER PRIMARY KEY, started REAL NOT NULL, ended REAL, about TEXT NOT NULL
);
CREATE TABLE state (end INTEGER NOT NULL, settling INTEGER NOT NULL);
INSERT INTO state VALUES (0, 0);
"""
# An item's place is the first of those at which this pass met it: whichever copy of it is done first.
_WRITE = """
INSERT INTO items (key, digest, status, position, start, size, seconds, kind, session)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    digest = excluded.digest, status = excluded.status, start = excluded.start, size = excluded.size,
    seconds = excluded.seconds, kind = excluded.kind, session = excluded.session,
    position = iif(session = excluded.session, min(position, excluded.position), excluded.position)
"""
_MET = "UPDATE items SET position = iif(session = ?2, min(position, ?3), ?3), session = ?2 WHERE key = ?1"
# The order of the data: what this pass met comes first, then what earlier ones did: (earlier, position, item).
_VIEWS = """
CREATE TEMP VIEW met AS SELECT *, session < (SELECT max(session) FROM sessions) AS earlier FROM items;
CREATE TEMP VIEW ordered AS
SELECT item, start, size, sum(size) OVER data - size AS place, row_number() OVER data AS number
FROM met WINDOW data AS (ORDER BY earlier, position, item ROWS UNBOUNDED PRECEDING)
"""  # in `ordered`, the lines as they should stand
_FIRST_FAILED = """
SELECT kind, start, size FROM (
    SELECT kind, start, size, row_number() OVER (PARTITION BY kind ORDER BY earlier, position, item) AS rank
    FROM met WHERE status = 'failed'
) WHERE rank <= ? ORDER BY kind, rank
"""
_SAMPLE = """
SELECT start, size FROM (
    SELECT start, size, row_number() OVER (ORDER BY earlier, position, item) - 1 AS rank FROM met WHERE status = ?
) WHERE rank * ? % ? < ? ORDER BY rank
"""


class Foreign(Exception):
    """The file is no journal of a run, or not of this version; its text says which."""


class JournalEntry(NamedTuple):
    """What is known of an item: the digest it was done under, and how it ended."""

    digest: str
    status: str


class LinePlace(NamedTuple):
    """Where a line lies, in bytes."""

    start: int
    size: int


class Journal:
    """The items of a run, held by one process from open to close. OSError where the disk does not take them."""

    def __init__(self, path: Path) -> None:
        """BlockingIOError while another process holds it, Foreign if it is none, Malformed if it is damaged."""
        self._file = ExclusiveDatabase(path, _prepare)
        self.session = 0
        self._last: int | None = None  # the position last written, while all was written in the order of the data

    def check_held(self) -> None:
        """OSError unless this process holds the journal: a forked child does not."""
        self._file.check_held()

    def close(self) -> None:
        """Ends the session, and lets others have the journal."""
        try:
            self._file.execute("UPDATE sessions SET ended = ? WHERE session = ?", time.time(), self.session)
        finally:
            self._file.close()

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """All that is done inside, or nothing."""
        return self._file.transaction()

    # Sessions ----------------------------------------------------------------

    def begin(self, about: Mapping[str, object]) -> None:
        """A new pass over the data."""
        self.session = 1 + self._one("SELECT coalesce(max(session), 0) FROM sessions")
        text = json.dumps(about, ensure_ascii=True)
        self._file.execute("INSERT INTO sessions VALUES (?, ?, NULL, ?)", self.session, time.time(), text)
        self._last = -1 if self.session == 1 else None

    def sessions(self) -> list[tuple[float, float | None, str]]:
        """Every session: when it began and ended, and what it was about."""
        found = self._file.execute("SELECT started, ended, about FROM sessions ORDER BY session")
        return [(started, ended, about) for started, ended, about in found]

    def note(self, figures: Mapping[str, object]) -> None:
        """Keeps the figures of this session, in place of those that it had."""
        text = json.dumps(figures, ensure_ascii=True)
        self._file.execute(
            "UPDATE sessions SET about = json_set(about, '$.figures', json(?)) WHERE session = ?", text, self.session
        )

    # Items -------------------------------------------------------------------

    def known(self, id: str) -> JournalEntry | None:
        """What is known of an item."""
        found = self._file.execute("SELECT digest, status FROM items WHERE key = ?", _key(id))
        return JournalEntry(*found[0]) if found else None

    def write(self, items: Sequence[JournalItem], end: int) -> None:
        """Takes items, in place of what it knew of them, and where their lines end."""
        rows = [(_key(id), *rest, self.session) for id, *rest in items]
        if self._last is not None:
            positions = [self._last, *(position for _, _, _, position, *_ in items)]
            straight = all(before < after for before, after in pairwise(positions))
            self._last = positions[-1] if straight else None
        with self.transaction() as db:
            db.executemany(_WRITE, rows)
            db.execute("UPDATE state SET end = ?", (end,))

    def met(self, items: Iterable[tuple[str, int]]) -> None:
        """Takes the ids that this pass met and left as they are, each with its position."""
        with self.transaction() as db:
            db.executemany(_MET, ((_key(id), self.session, position) for id, position in items))

    # Places ------------------------------------------------------------------

    def place(self, id: str) -> LinePlace | None:
        """Where the line of an item lies."""
        found = self._file.execute("SELECT start, size FROM items WHERE key = ?", _key(id))
        return LinePlace(*found[0]) if found else None

    @property
    def end(self) -> int:
        """Where the last line ends."""
        return int(self._one("SELECT end FROM state"))

    def forget_beyond(self, size: int) -> int:
        """Forgets the items whose lines do not end within so many bytes; where those left end."""
        with self.transaction() as db:
            db.execute("DELETE FROM items WHERE start + size > ?", (size,))
            db.execute("UPDATE state SET end = (SELECT coalesce(max(start + size), 0) FROM items)")
        return self.end

    def drop_unmet(self) -> None:
        """Forgets the items that this pass did not meet."""
        self._file.execute("DELETE FROM items WHERE session < ?", self.session)

    def places(self) -> Iterator[LinePlace]:
        """Where each line lies, in the order of the data."""
        return map(LinePlace._make, self._file.each("SELECT start, size FROM ordered ORDER BY number"))

    def settled(self) -> bool:
        """Whether the lines stand in the order of the data, with nothing between them."""
        away = self._last is None and self._one("SELECT EXISTS (SELECT 1 FROM ordered WHERE start <> place)")
        return not away and self._one("SELECT coalesce(sum(size), 0) FROM items") == self.end

    def settle(self) -> None:
        """Takes every line to be where it belongs, in a file that is still to be renamed."""
        self._file.execute("UPDATE items SET start = place FROM ordered WHERE items.item = ordered.item")
        self._file.execute("UPDATE state SET settling = 1, end = (SELECT coalesce(sum(size), 0) FROM items)")

    @property
    def settling(self) -> bool:
        """Whether a settled file may still have to be renamed."""
        return bool(self._one("SELECT settling FROM state"))

    def renamed(self) -> None:
        """The settled file has its name."""
        self._file.execute("UPDATE state SET settling = 0")

    # Figures -----------------------------------------------------------------

    def figures(self) -> dict[str, tuple[int, float]]:
        """How many items ended in each way, and the seconds they took."""
        rows = self._file.execute("SELECT status, count(*), total(seconds) FROM items GROUP BY status")
        return {status: (count, seconds) for status, count, seconds in rows}

    def kinds(self) -> dict[str, int]:
        """How many items failed in each way, the most frequent first."""
        return dict(
            self._file.execute(
                "SELECT kind, count(*) FROM items WHERE status = 'failed' GROUP BY kind ORDER BY count(*) DESC, kind"
            )
        )

    def first_of_kinds(self, most: int) -> list[tuple[str, LinePlace]]:
        """The first few failures of each kind."""
        found = self._file.execute(_FIRST_FAILED, most)
        return [(kind, LinePlace(start, size)) for kind, start, size in found]

    def sample(self, status: str, most: int) -> list[LinePlace]:
        """Some items that ended in one way, evenly from all over the data."""
        count = self._one("SELECT count(*) FROM items WHERE status = ?", status)
        found = self._file.execute(_SAMPLE, status, most, count, most) if count else ()
        return [LinePlace(start, size) for start, size in found]

    def _one(self, question: str, *given: object) -> int:
        return int(self._file.execute(question, *given)[0][0])


def _prepare(db: sqlite3.Connection) -> None:
    """Makes the tables of a new file, or looks whether they are ours."""
    if not _number(db, "SELECT count(*) FROM sqlite_master"):
        _run(db, f"{_TABLES} PRAGMA application_id = {_OURS}; PRAGMA user_version = {_FORMAT};")
    if _number(db, "PRAGMA application_id") != _OURS:
        raise Foreign("it is not a journal of the Studio")
    if (version := _number(db, "PRAGMA user_version")) != _FORMAT:
        raise Foreign(f"it has format {version}, and this Studio reads format {_FORMAT}")
    _run(db, _VIEWS)


def _number(db: sqlite3.Connection, question: str) -> int:
    found: tuple[int] = db.execute(question).fetchone()
    return found[0]


def _run(db: sqlite3.Connection, statements: str) -> None:
    """One after the other; `executescript` would commit first."""
    for statement in filter(str.strip, statements.split(";")):
        db.execute(statement)


def _key(id: str) -> bytes:
    """What an item stands under: its id, or of a long one the digest; no text in UTF-8 begins with that byte."""
    name = id.encode("utf-8", "surrogatepass")
    return name if len(name) <= _LONGEST else b"\xff" + bytes.fromhex(of_bytes(name)[:32])
