"""Sharing: what goes from a cache to its tier, and comes from there."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from studio.cache.record import (
    Record,
    check_foreign,
    record_from,
    record_name,
    slug,
    whole_record,
    written_record,
)
from studio.cache.records import Records
from studio.cache.store import Store
from studio.cache.tier import Tier
from studio.values.artifact import Damaged

__all__ = ["Sharing"]

_ORPHANED = 60.0  # seconds after which another process sends what was not sent
_FETCHING = (5.0, 600.0)  # seconds that blobs are waited for: as long as making them took, within these


class Sharing:
    """Sends records with their blobs to the tier, in the background, and fetches those that are not here.

    A mark, an empty file `unshared/NODE@KEY`, stands for each record that has not arrived there: it is made
    before the record is sent and removed after, so a killed process loses nothing. Another process goes on.
    """

    def __init__(self, store: Store, records: Records, url: str) -> None:
        """`url` of the tier, "" for none."""
        self.url = url
        self._store, self._records = store, records
        self._folder = store.folder / "unshared"

    @property
    def tier(self) -> Tier | None:
        """The tier, if there is one. Its key is in no cache: it stays in the environment."""
        return Tier.of(self.url, os.environ.get("STUDIO_TIER_KEY", "").encode() or None) if self.url else None

    def warnings(self) -> list[str]:
        """What went wrong with the tier, each thing once."""
        told: list[str] = []
        tier = self.tier
        while tier is not None and tier.warnings:
            with contextlib.suppress(IndexError):  # another run has told it
                told.append(tier.warnings.popleft())
        return told

    # From there ---------------------------------------------------------------

    def ask(self, keys: Mapping[str, str]) -> None:
        """Asks ahead for the records of many keys, each with its node: `fetch` then finds the answers."""
        if (tier := self.tier) is not None:
            tier.ask(record_name(key, node) for key, node in keys.items())

    def fetch(self, key: str, node: str) -> Record | None:
        """The record of a key, once all of its blobs are here; whatever is wrong with it, it counts as absent."""
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
        if not self._fetch_blobs(record, tier):
            tier.refuse(name)
            return None
        return record

    def _fetch_blobs(self, record: Record, tier: Tier) -> bool:
        """Whether the blobs of a record are here now. Fetching them may take as long as making them took."""
        missing = {str(blob.digest): blob for blob in record.blobs if not self._store.holds(blob)}
        least, most = _FETCHING
        wanted = [
            (self._blob_name(digest), blob.size, partial(self._store.receive, blob)) for digest, blob in missing.items()
        ]
        return tier.fetch(wanted, min(max(record.seconds, least), most))

    # To there -----------------------------------------------------------------

    def share(self, record: Record, replace: bool) -> None:
        """Has a record that is here sent in the background: nobody waits for it."""
        tier = self.tier
        if tier is None or not tier.takes:
            return
        mark = self._folder / f"{slug(record.node)}@{record.key}"
        with contextlib.suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            mark.write_bytes(b"replace" if replace else b"")
            tier.later(partial(self._send_marked, mark))

    def flush(self, seconds: float) -> int:
        """Waits until all is sent, for some time at most; how many records still are not."""
        if (tier := self.tier) is None:
            return 0
        for mark in self._marks():
            with contextlib.suppress(OSError):
                # A mark that is young is in the queue of its own process. The new time keeps a third one from it.
                if time.time() - mark.stat().st_mtime > _ORPHANED and tier.later(partial(self._send_marked, mark)):
                    os.utime(mark)
        tier.flush(seconds)
        return self.unshared

    @property
    def unshared(self) -> int:
        """How many records wait to be sent."""
        return len(self._marks())

    def _marks(self) -> list[Path]:
        return list(self._folder.iterdir()) if self._folder.is_dir() else []

    def _send_marked(self, mark: Path) -> None:
        """Sends the record of a mark, and removes the mark; what is gone or damaged meanwhile is not sent."""
        key = mark.name.rpartition("@")[2]
        with contextlib.suppress(OSError, ValueError):
            replace, tier, text = bool(mark.read_bytes()), self.tier, self._records.find(key)
            record = whole_record(key, text) if text else None
            if tier is None or (record is not None and not self._send(record, replace, tier)):
                return
            mark.unlink()

    def _send(self, record: Record, replace: bool, tier: Tier) -> bool:
        """Whether there is nothing more to send: the tier has it now, or what is here is damaged.

        The blobs go first and the record last: whoever finds a record there finds all that it names.
        """
        try:
            blobs = {self._blob_name(str(blob.digest)): self._store.verified(blob) for blob in record.blobs}
        except Damaged:
            return True
        return all(tier.put(name, path) for name, path in blobs.items()) and tier.put_record(
            record_name(record.key, record.node), written_record(record), replace
        )

    def _blob_name(self, digest: str) -> str:
        """What a blob is called on the tier: its place is the same there."""
        return self._store.path(digest).relative_to(self._store.folder).as_posix()
