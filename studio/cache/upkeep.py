"""Upkeep of a cache: its entries and figures; verifying, pruning and clearing it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from studio.cache.cache import Cache
from studio.cache.record import Record
from studio.errors import StoreError
from studio.units import show_bytes
from studio.values.digest import of_file
from studio.values.private_file import remove_left_over

__all__ = [
    "BUDGET",
    "CacheEntry",
    "Pruned",
    "Stats",
    "Verification",
    "clear",
    "describe",
    "entries",
    "prune",
    "prune_at_times",
    "stats",
    "verify",
]

BUDGET = 20 << 30  # bytes that a cache may fill before old entries go
_GRACE = 3600.0  # seconds that what was used is spared: some run may go on with it, or be about to name it


@dataclass(frozen=True)
class CacheEntry:
    """One record, with what it weighs and when it was last used."""

    record: Record
    size: int  # bytes, its blobs included
    used: int  # seconds since the epoch


@dataclass(frozen=True)
class Stats:
    """A cache in figures."""

    folder: Path
    records: int
    blobs: int
    size: int  # bytes of both
    seconds: float  # of computing that it holds
    quarantined: int
    nodes: dict[str, int]  # records by node
    tier: dict[str, Any] | None  # where it is, whether it answers and is signed, and how many results wait to go there


@dataclass(frozen=True)
class Verification:
    """What a look at every record and every blob found."""

    records: int
    blobs: int
    damaged: int  # set aside


class Pruned(NamedTuple):
    """What pruning came to."""

    records: int  # that went
    freed: int  # bytes
    spared: int  # records that would have gone, had they not been used within the last hour


def entries(cache: Cache, node: str | None = None) -> Iterator[CacheEntry]:
    """Every sound record, the last used first."""
    for row in cache.records.latest(node):
        record = cache.sound(row.key, row.text)
        if record is not None:
            yield CacheEntry(record, len(row.text) + sum(blob.size for blob in record.blobs), row.used)


def stats(cache: Cache) -> Stats:
    """The cache in figures."""
    nodes: dict[str, int] = {}
    seconds, records = 0.0, 0
    for entry in entries(cache):
        records += 1
        nodes[entry.record.node] = nodes.get(entry.record.node, 0) + 1
        seconds += entry.record.seconds
    blobs = list(_blobs(cache))
    size = cache.records.size + sum(map(_size, blobs))
    quarantined = len(_files(cache.store.quarantine))
    return Stats(cache.folder, records, len(blobs), size, seconds, quarantined, nodes, _tier(cache))


def _tier(cache: Cache) -> dict[str, Any] | None:
    if (tier := cache.tier) is None:
        return None
    return {"url": tier.url, "reached": tier.reached(), "signed": tier.signed, "unshared": cache.unshared}


def verify(cache: Cache) -> Verification:
    """Reads and hashes everything. What is damaged is set aside, and computed again when it is needed."""
    before = cache.damaged
    cache.records.check()
    for record in cache.all_records():
        cache.at_hand(record.key, record.node)
    for path in _blobs(cache):  # those that no record names too: what runs were given
        if of_file(path) != path.name:
            cache.set_aside(path)
    return Verification(cache.records.count(), len(list(_blobs(cache))), cache.damaged - before)


def prune(cache: Cache, budget: int = BUDGET) -> Pruned:
    """Deletes records, those of least worth first, until the rest fits the budget; then blobs that no record names.

    Worth is what a record saves (its seconds) against what it weighs and how long it lay unused. What was used
    within the last hour stays, whatever the budget: a run may have been given it, and not have read it yet.
    """
    before = _weight(cache)
    gone: list[str] = []
    spared = 0
    kept = sorted(entries(cache), key=_worth)
    size = sum(entry.size for entry in kept)
    for entry in kept:
        if size <= budget:
            break
        if _in_use(cache, entry):
            spared += 1
            continue
        size -= entry.size
        gone.append(entry.record.key)
    if gone:
        cache.records.delete(gone)
    _sweep(cache)
    return Pruned(len(gone), max(0, before - _weight(cache)), spared)


def prune_at_times(cache: Cache, budget: int = BUDGET) -> None:
    """Prunes, if the last time is an hour ago or more. Every run ends with it."""
    stamp = cache.folder / "pruned"
    try:
        if stamp.exists() and time.time() - stamp.stat().st_mtime < _GRACE:
            return
        stamp.touch()
        if _weight(cache) > budget:
            prune(cache, budget)
    except OSError:
        pass  # a cache that cannot be written needs no pruning


def clear(cache: Cache) -> int:
    """Empties the cache; the bytes freed."""
    if not (cache.folder / "CACHEDIR.TAG").exists():
        raise StoreError(f"'{cache.folder}' is not a cache of the Studio: nothing was deleted")
    before = _weight(cache)
    cache.records.clear()
    for name in ("blobs", "quarantine", "unshared", "records"):  # the last is where records lay in version 0.1
        shutil.rmtree(cache.folder / name, ignore_errors=True)
    return max(0, before - _weight(cache))


def describe(entry: CacheEntry) -> str:
    """A record in a line."""
    record = entry.record
    outputs = ", ".join(f"{name}: {artifact.kind}" for name, artifact in record.outputs.items())
    return f"{record.key[:12]}  {record.node:<24} {show_bytes(entry.size):>10}  {record.seconds:8.2f} s  {outputs}"


def _worth(entry: CacheEntry) -> float:
    idle = max(1.0, time.time() - entry.used)
    return max(entry.record.seconds, 0.001) / (max(entry.size, 1) * idle)


def _in_use(cache: Cache, entry: CacheEntry) -> bool:
    """Whether it was used within the last hour. Blobs tell that at once, records only after some minutes."""
    blobs = (cache.store.path(str(blob.digest)) for blob in entry.record.blobs)
    return time.time() - entry.used < _GRACE or any(map(_used_of_late, blobs))


def _used_of_late(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < _GRACE
    except OSError:  # it is gone
        return False


def _weight(cache: Cache) -> int:
    return cache.records.size + sum(map(_size, _files(cache.store.blobs)))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it is gone
        return 0


def _sweep(cache: Cache) -> None:
    """Deletes blobs that no record names, and temporary files that nobody writes, or reads, any more."""
    named = {blob.digest for entry in entries(cache) for blob in entry.record.blobs}
    for path in [*_files(cache.store.blobs), *_files(Path(cache.store.unfinished))]:
        stale = ".tmp" in path.name or (path.parent.parent == cache.store.blobs and path.name not in named)
        if stale and not _used_of_late(path):
            path.unlink(missing_ok=True)
    if cache.store.lent.is_dir():
        remove_left_over(cache.store.lent)


def _blobs(cache: Cache) -> Iterator[Path]:
    return (path for path in _files(cache.store.blobs) if not path.name.endswith(".tmp"))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
