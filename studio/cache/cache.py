"""Cache: keys to records, in a folder of this machine, and behind it a tier that others share."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import platformdirs

from studio.cache.changes import differences
from studio.cache.file_digests import FileDigests
from studio.cache.lease import Leases
from studio.cache.record import Basis, Record, check_foreign, record_from, record_name, slug, written_record
from studio.cache.records import Records
from studio.cache.store import Store
from studio.cache.tier import Tier
from studio.errors import StoreError
from studio.files import write_atomically
from studio.values.artifact import Artifact, Damaged
from studio.values.digest import Uncacheable

__all__ = ["Cache", "default_folder"]

_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# A cache of the i-Code Studio. It may be deleted.\n"
_ORPHANED = 60.0  # seconds after which another process sends on what was not shared
_PATIENCE = 5.0  # seconds that the end of a run waits for what is to be shared
_MOST_FETCHING = (5.0, 600.0)  # seconds that blobs are waited for: as long as making them took, within these
_MOST_COMPARED = 200  # records read to say why a key is new


class Cache:
    """Keys to records, in a folder of this machine; behind it, if there is one, a tier that others share.

    tier: a folder or URL; without it $STUDIO_TIER, and with "" none. $STUDIO_TIER_KEY signs its records.
    """

    def __init__(self, folder: str | Path | None = None, tier: str | None = None) -> None:
        self.folder = Path(folder) if folder else default_folder()
        self.store = Store(self.folder)
        self.records = Records.of(self.folder / "records.sqlite", self.store)
        self.files = FileDigests(self.folder / "files.sqlite")
        self.leases = Leases.of(self.folder)
        self._damaged = -self.records.damaged  # what was set aside before is another's
        self._unshared = self.folder / "unshared"  # an empty file for each record that is not on the tier yet
        self._tier = os.environ.get("STUDIO_TIER", "") if tier is None else tier
        _check_layout(self.folder)
        _ = self.tier  # what is wrong with it is said at once

    def __reduce__(self) -> tuple[object, ...]:
        return (Cache, (self.folder.absolute(), self._tier))

    @property
    def salt(self) -> bytes:
        """Random bytes of this cache, so that the digest of a secret says nothing elsewhere."""
        path = self.folder / "salt"
        try:
            if not path.exists():
                write_atomically(path, secrets.token_bytes(32), replace=False)
            return path.read_bytes()
        except OSError:
            raise Uncacheable("it uses a secret, and the cache folder cannot be written") from None

    # Records -----------------------------------------------------------------

    def lookup(self, key: str, node: str) -> Record | None:
        """The record of a key: from here, or else from the tier, and from then on here."""
        return self.at_hand(key, node) or (self._brought(key, node) if self._tier else None)

    def lookup_many(self, keys: Iterable[str], node: str) -> dict[str, Record]:
        """The records of those keys that are known, as `lookup` finds each."""
        wanted = list(dict.fromkeys(keys))
        texts = self.records.find_many(wanted)
        found = {key: self._verified(key, texts[key], node) if key in texts else None for key in wanted}
        if (tier := self.tier) is not None:
            missing = [key for key, record in found.items() if record is None]
            tier.ask(record_name(key, node) for key in missing)
            found |= {key: self._brought(key, node) for key in missing}
        return {key: record for key, record in found.items() if record is not None}

    def at_hand(self, key: str, node: str) -> Record | None:
        """The record of a key, all of it verified; what is damaged is set aside and counts as absent."""
        text = self.records.find(key)
        return None if text is None else self._verified(key, text, node)

    def _verified(self, key: str, text: bytes, node: str) -> Record | None:
        record = self.sound(key, text)
        if record is None or record.node != node:
            return None
        try:
            for artifact in record.blobs:
                self.store.verified(artifact)
        except Damaged:
            self.records.set_aside(key, text)
            return None
        return record

    def read(self, key: str) -> Record | None:
        """The record of a key, if it is whole; its blobs are not looked at."""
        text = self.records.find(key)
        return None if text is None else self.sound(key, text)

    def sound(self, key: str, text: bytes) -> Record | None:
        """The record that is written under a key, if it is whole; otherwise it is set aside."""
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            record = record_from(text)
            if record.key == key and record.node:
                return record
        self.records.set_aside(key, text)
        return None

    def touch(self, record: Record) -> None:
        """Marks a record, which was looked up, as used just now."""
        self.records.touch([record.key])

    def save(self, record: Record, replace: bool = False) -> Record:
        """Keeps a record; if somebody was faster, theirs is the one that counts, and is returned."""
        return self.save_many([record], replace)[0]

    def save_many(self, records: Sequence[Record], replace: bool = False) -> list[Record]:
        """Keeps records in one go, all or none; those that count are returned, as by `save`."""
        there = self._kept(records, replace)
        counting = [self._or_theirs(record) if record.key in there else record for record in records]
        if self._tier:
            for record in records:
                if record.key not in there:
                    self._share_soon(record, replace)
        return counting

    def _kept(self, records: Iterable[Record], replace: bool) -> set[str]:
        """The keys of those that were there already."""
        return self.records.put(((record.key, record.node, written_record(record)) for record in records), replace)

    def _or_theirs(self, record: Record) -> Record:
        """What was there before a record came; where that is damaged, the record takes its place."""
        return self.at_hand(record.key, record.node) or self.save(record, replace=True)

    def all_records(self, node: str | None = None, most: int | None = None) -> Iterator[Record]:
        """The sound records (of one node), the last used first."""
        found = (self.sound(row.key, row.text) for row in self.records.latest(node, most))
        return (record for record in found if record is not None)

    @property
    def damaged(self) -> int:
        """How many records and blobs were set aside so far."""
        return self._damaged + self.records.damaged

    def set_aside(self, blob: Path) -> None:
        """Takes a damaged blob out of the way."""
        self._damaged += 1
        self.store.set_aside(blob)

    # The tier ----------------------------------------------------------------

    @property
    def tier(self) -> Tier | None:
        """What is shared with others, if there is such a place. The key is in no cache: it stays in the environment."""
        return Tier.of(self._tier, os.environ.get("STUDIO_TIER_KEY", "").encode() or None) if self._tier else None

    def ask(self, keys: Iterable[tuple[str, str]]) -> None:
        """Asks the tier ahead for the records of many (key, node) that are not here: `lookup` finds the answers."""
        if (tier := self.tier) is not None:
            nodes = dict(keys)
            here = self.records.holds(nodes)
            tier.ask(record_name(key, node) for key, node in nodes.items() if key not in here)

    def flush(self, seconds: float = _PATIENCE) -> int:
        """Waits for what is to be shared, for some time at most; how many results still are."""
        if (tier := self.tier) is None:
            return 0
        for mark in self._marks():
            with contextlib.suppress(OSError):
                if time.time() - mark.stat().st_mtime > _ORPHANED and tier.later(partial(self._share, mark)):
                    os.utime(mark)  # now it is ours
        tier.flush(seconds)
        return self.unshared

    @property
    def unshared(self) -> int:
        """How many results wait to be sent to the tier."""
        return len(self._marks())

    def news(self) -> Iterator[str]:
        """What went wrong with the tier, each thing once."""
        tier = self.tier
        while tier is not None and tier.news:
            with contextlib.suppress(IndexError):  # another run has told it
                yield tier.news.popleft()

    def _brought(self, key: str, node: str) -> Record | None:
        """The record of a key from the tier, with its blobs; whatever is wrong with it, it counts as absent."""
        tier, name = self.tier, record_name(key, node)
        text = tier.record(name) if tier else None
        if tier is None or text is None:
            return None
        try:
            record = record_from(text)
            check_foreign(record, key, node)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            tier.refuse(name, "a record that is no record")
            return None
        if not self._has_blobs(record, tier):
            tier.refuse(name)
            return None
        with contextlib.suppress(OSError):  # it counts, though it cannot be kept
            self._kept([record], replace=False)
        return record

    def _has_blobs(self, record: Record, tier: Tier) -> bool:
        """Whether the blobs of a record are here now. Fetching them may take as long as making them took."""
        missing = {str(blob.digest): blob for blob in record.blobs if not self.store.holds(blob)}
        least, most = _MOST_FETCHING
        wanted = [
            (self._blob_name(digest), blob.size, partial(self.store.receive, blob)) for digest, blob in missing.items()
        ]
        return tier.fetch(wanted, min(max(record.seconds, least), most))

    def _share_soon(self, record: Record, replace: bool) -> None:
        """Sends a record to the tier, by and by. A mark says so, for others to go on if this process ends."""
        tier = self.tier
        if tier is None or not tier.takes:
            return
        mark = self._unshared / f"{slug(record.node)}@{record.key}"
        with contextlib.suppress(OSError):
            self._unshared.mkdir(exist_ok=True)
            mark.write_bytes(b"replace" if replace else b"")
            tier.later(partial(self._share, mark))

    def _share(self, mark: Path) -> None:
        """Sends the record of a mark, after its blobs; what is gone or damaged meanwhile is left."""
        key = mark.name.rpartition("@")[2]
        with contextlib.suppress(OSError, ValueError):
            replace, tier, record = bool(mark.read_bytes()), self.tier, self.read(key)
            if tier is None or (record is not None and not self._sent(record, replace, tier)):
                return
            mark.unlink()

    def _sent(self, record: Record, replace: bool, tier: Tier) -> bool:
        """Whether the tier has it now, or what is to be sent is damaged."""
        try:
            blobs = {self._blob_name(str(blob.digest)): self.store.verified(blob) for blob in record.blobs}
        except Damaged:
            return True
        return all(tier.put(name, path) for name, path in blobs.items()) and tier.put_record(
            record_name(record.key, record.node), written_record(record), replace
        )

    def _marks(self) -> list[Path]:
        return list(self._unshared.iterdir()) if self._unshared.is_dir() else []

    def _blob_name(self, digest: str) -> str:
        """What a blob is called on the tier: its place is the same there."""
        return self.store.path(digest).relative_to(self.folder).as_posix()

    # Why ---------------------------------------------------------------------

    def comparable(self, node: str) -> list[Record]:
        """The records of a node with which a new key of its is compared: those last used."""
        return list(self.all_records(node, _MOST_COMPARED))

    def changes(
        self, basis: Basis, inputs: Mapping[str, Artifact], records: Sequence[Record] | None = None
    ) -> list[str]:
        """What sets a key apart from the nearest one of the same step on record: other steps explain nothing.

        records: those to compare with, if not the ones that are there now.
        """
        parts = basis.with_inputs(inputs)
        records = self.comparable(parts["node"]) if records is None else records
        found = [differences(record.parts, parts) for record in records if record.step == basis.step]
        if nearest := min(filter(None, found), key=len, default=None):
            return nearest
        known = "not run as this step before" if records else "nothing on record"
        return [f"{parts['node']} has {known}"]


def default_folder() -> Path:
    """$STUDIO_CACHE, or the user's own cache folder."""
    return Path(os.environ.get("STUDIO_CACHE") or platformdirs.user_cache_path("icode-studio") / "cache")


def _check_layout(folder: Path) -> None:
    """Makes the folder a cache, or says why it cannot be one."""
    tag = folder / "CACHEDIR.TAG"
    if tag.exists() or not os.access(folder if folder.exists() else _first_parent(folder), os.W_OK):
        return
    if folder.exists() and _foreign(folder) and not tag.exists():  # another may be making it at this moment
        raise StoreError(f"'{folder}' is not a cache folder, and not empty: give one that is new")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(tag, _TAG, mode=0o644, replace=False)


def _foreign(folder: Path) -> bool:
    return not folder.is_dir() or any(not entry.name.startswith(".CACHEDIR.TAG") for entry in folder.iterdir())


def _first_parent(folder: Path) -> Path:
    return next(parent for parent in folder.absolute().parents if parent.exists())
