"""What lies on a disk, without a run: records of the cache, and lines of results."""

import os
import sqlite3
import time
from pathlib import Path

from studio.cache.cache import Cache
from studio.cache.record import record_name
from studio.cache.records import Records
from studio.cache.store import Store
from studio.dataset.results import ResultLine, as_json
from studio.values.digest import of_bytes


def key_of(n) -> str:
    return of_bytes(str(n).encode())


def opened(folder) -> Records:
    """The records of a cache folder, which is made if it is not there."""
    folder.mkdir(exist_ok=True, parents=True)
    return Records(folder / "records.sqlite", Store(folder))


def line(id: str, position: int, status: str = "done", digest: str = "d", kind: str = "", **outputs) -> ResultLine:
    encoded = {name: as_json(value) for name, value in {**outputs, "digest": digest}.items()}
    return ResultLine(id, digest, position, status, encoded, 0.5, kind, kind)


class AtRest:
    """A record where it lies, handled as if it were a file of its own."""

    def __init__(self, folder: Path, key: str, node: str) -> None:
        self.folder, self.stem, self.name = folder, key, record_name(key, node)

    def read_bytes(self) -> bytes:
        return _sql(self.folder, "SELECT text FROM records WHERE key = ?", bytes.fromhex(self.stem))[0][0]

    def write_bytes(self, text: bytes) -> None:
        _sql(self.folder, "UPDATE records SET text = ? WHERE key = ?", text, bytes.fromhex(self.stem))

    def unlink(self) -> None:
        _sql(self.folder, "DELETE FROM records WHERE key = ?", bytes.fromhex(self.stem))


def records_at_rest(folder: Path) -> list[AtRest]:
    """The records in a cache folder, in the order of their names."""
    found = _sql(folder, "SELECT key, node FROM records") if (folder / "records.sqlite").is_file() else []
    return sorted((AtRest(folder, key.hex(), node) for key, node in found), key=lambda record: record.name)


def unused_since_yesterday(cache: Cache) -> None:
    """Has all that lies in a cache be as if nobody had used it for a day."""
    cache.records.flush()
    then = int(time.time()) - 86_400
    _sql(cache.folder, "UPDATE records SET used = ?", then)
    for path in cache.store.blobs.rglob("*"):
        os.utime(path, (then, then))


def _sql(folder: Path, statement: str, *given: object) -> list[tuple]:
    db = sqlite3.connect(folder / "records.sqlite", timeout=10, isolation_level=None)
    try:
        return db.execute(statement, given).fetchall()
    finally:
        db.close()
