"""Cache: keys to records, in a folder of this machine, and behind it a tier that others share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import platformdirs

from studio.cache.changes import differences
from studio.cache.file_digests import FileDigests
from studio.cache.lease import Leases
from studio.cache.record import Basis, Record, whole_record, written_record
from studio.cache.records import Records
from studio.cache.sharing import Sharing
from studio.cache.store import Store
from studio.cache.tier import Tier
from studio.errors import StoreError
from studio.files import random_bytes_in, write_atomically
from studio.paths import absolute
from studio.values.artifact import Artifact, Damaged
from studio.values.digest import Uncacheable

__all__ = ["Cache", "default_folder"]

_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# A cache of the i-Code Studio. It may be deleted.\n"
_OURS = ("blobs", "quarantine", "unfinished", "unshared", "records.sqlite", "files.sqlite", "leases", "salt", "pruned")
_PATIENCE = 5.0  # seconds that the end of a run waits for what is to be shared
_MOST_COMPARED = 200  # records read to say why a key is new


class Cache:
    """Keys to records, in a folder of this machine; behind it, if there is one, a tier that others share.

    tier: a folder or URL; without it $STUDIO_TIER, and with "" none. $STUDIO_TIER_KEY signs its records.
    """

    def __init__(self, folder: str | Path | None = None, tier: str | None = None) -> None:
        self.folder = absolute(folder or default_folder())
        self.store = Store(self.folder)
        self.records = Records.of(self.folder / "records.sqlite", self.store)
        self.files = FileDigests.of(self.folder / "files.sqlite")
        self.leases = Leases.of(self.folder)
        self._told = 0  # of what was damaged, how much `warnings` has told
        self._damaged = -self.records.damaged  # `records` is shared: only what is found from now on is counted
        url = os.environ.get("STUDIO_TIER", "") if tier is None else tier
        self._sharing = Sharing(self.store, self.records, url if "://" in url or not url else str(absolute(url)))
        _check_layout(self.folder)
        _ = self.tier  # if it cannot be used at all, that is an error before any run

    def __reduce__(self) -> tuple[object, ...]:
        return (Cache, (self.folder.absolute(), self._sharing.url))

    @property
    def salt(self) -> bytes:
        """Random bytes of this cache, so that the digest of a secret says nothing elsewhere."""
        try:
            return random_bytes_in(self.folder / "salt")
        except OSError:
            raise Uncacheable("it uses a secret, and the cache folder cannot be written") from None

    # Records -----------------------------------------------------------------

    def lookup(self, key: str, node: str) -> Record | None:
        """The record of a key: from this folder, or else from the tier; then it is kept in this folder, too."""
        return self.at_hand(key, node) or self._fetched(key, node)

    def lookup_many(self, keys: Iterable[str], node: str) -> dict[str, Record]:
        """The records of those keys that are known, as `lookup` finds each."""
        wanted = list(dict.fromkeys(keys))
        texts = self.records.find_many(wanted)
        found = {key: self._verified(key, texts[key], node) if key in texts else None for key in wanted}
        if self._sharing.url:
            missing = [key for key, record in found.items() if record is None]
            self._sharing.ask(dict.fromkeys(missing, node))  # all of them are on their way before one is waited for
            found |= {key: self._fetched(key, node) for key in missing}
        return {key: record for key, record in found.items() if record is not None}

    def at_hand(self, key: str, node: str) -> Record | None:
        """The record of a key, if it is in this folder and all its blobs are sound. What is damaged is set aside."""
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
        record = whole_record(key, text)
        if record is None:
            self.records.set_aside(key, text)
        return record

    def touch(self, record: Record) -> None:
        """Marks a record, which was looked up, and its blobs as used just now: pruning spares them for an hour."""
        self.records.touch([record.key])
        for artifact in record.blobs:
            self.store.touch(artifact)

    def save(self, record: Record, replace: bool = False) -> Record:
        """Keeps a record; if somebody was faster, theirs stays, and is returned.

        Two computations of one key may differ in their bits. The first record wins, because others may have
        read it already, and made keys of its outputs.
        """
        return self.save_many([record], replace)[0]

    def save_many(self, records: Sequence[Record], replace: bool = False) -> list[Record]:
        """Keeps records in one transaction, all or none; those that stay are returned, as by `save`.

        Their blobs are in the store already: whoever finds a record finds all that it names.
        """
        there = self._kept(records, replace)
        counting = [self._or_theirs(record) if record.key in there else record for record in records]
        for record in records:
            if record.key not in there:
                self._sharing.share(record, replace)
        return counting

    def _kept(self, records: Iterable[Record], replace: bool) -> set[str]:
        """Puts records into the file; the keys of those that were there already."""
        return self.records.put(((record.key, record.node, written_record(record)) for record in records), replace)

    def _or_theirs(self, record: Record) -> Record:
        """The record that was there first; if that is damaged, the new one replaces it."""
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
        """What is shared with others, if there is such a place."""
        return self._sharing.tier

    def ask(self, keys: Iterable[tuple[str, str]]) -> None:
        """Asks the tier ahead for the records of many (key, node) that are not here: `lookup` finds the answers."""
        if self._sharing.url:
            nodes = dict(keys)
            here = self.records.holds(nodes)
            self._sharing.ask({key: node for key, node in nodes.items() if key not in here})

    def flush(self, seconds: float = _PATIENCE) -> int:
        """Waits for what is to be shared, for some time at most; how many results still are."""
        return self._sharing.flush(seconds)

    @property
    def unshared(self) -> int:
        """How many results wait to be sent to the tier."""
        return self._sharing.unshared

    def warnings(self) -> list[str]:
        """What went wrong here and with the tier since this was last asked, each thing once."""
        told = self._sharing.warnings()
        if self.damaged > self._told:
            self._told = self.damaged
            told.insert(0, "a damaged cache entry was set aside; it is made anew")
        return told

    def _fetched(self, key: str, node: str) -> Record | None:
        """The record of a key from the tier, which is from then on here."""
        if (record := self._sharing.fetch(key, node)) is not None:
            with contextlib.suppress(OSError):  # it counts, though it cannot be kept
                self._kept([record], replace=False)
        return record

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
    """Whether something in it is not ours. Of a cache that was deleted while a run went on, a part comes back."""
    if not folder.is_dir():
        return True
    return any(not entry.name.startswith((".CACHEDIR.TAG", *_OURS)) for entry in folder.iterdir())


def _first_parent(folder: Path) -> Path:
    return next(parent for parent in folder.absolute().parents if parent.exists())
