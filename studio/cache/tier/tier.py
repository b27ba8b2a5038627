"""Tier: records and blobs by name, in a place that many machines share behind their caches. It knows no key.

Nothing here may fail a run. Every call to the storage is made by a thread that nobody has to wait for; what takes
too long or goes wrong counts as absent; after a few failures in a row the tier is left alone until the process ends.
"""

from __future__ import annotations

import atexit
import functools
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from studio.cache.tier.breaker import CircuitBreaker
from studio.cache.tier.request import Request
from studio.cache.tier.signing import Signer
from studio.cache.tier.storage import Missing, Storage
from studio.errors import StoreError
from studio.threads import DaemonThreads
from studio.values.artifact import Damaged

__all__ = ["Tier"]

_READ_LIMIT = 2.0  # seconds that a record is waited for
_WRITE_LIMIT = 10.0  # seconds that writing may take, and one more for each MiB
_ABSENCE = 5.0  # seconds for which it is remembered that a record is not there
_MOST_ABSENT = 20_000  # absences remembered
_MOST_ASKED = 1024  # records asked for and not yet taken
_MOST_QUEUED = 10_000  # calls put off
_MOST_RECORD = 64 << 20  # bytes
_AT_EXIT = 5.0  # seconds that the end of the process waits for what is queued

_making = threading.Lock()

_Wanted = tuple[str, int, Callable[[Iterable[bytes]], None]]  # a name, its size, and what takes in the bytes


class Tier:
    """What is kept in the shared place. Make it by `Tier.of`: there is one for each place and process."""

    def __init__(self, url: str, key: bytes | None) -> None:
        self._storage = Storage(url)
        self._signer = Signer(key)
        self.url = self._storage.url
        self.refused = 0  # records and blobs that were not what they should be
        self.warnings: deque[str] = deque()  # what a run should tell, each thing once
        # Sending has threads of its own, so that reading never waits for it; so has what is put off, because
        # it waits itself for what is sent.
        self._reading, self._writing, self._putting_off = (DaemonThreads("studio-tier", most) for most in (8, 4, 4))
        # Reading and writing have a breaker each: a tier that may only be read is still of use.
        self._reads = CircuitBreaker(
            f"the tier {self.url} does not answer ({{}}): it is left alone, and nothing of it is used",
            self.warnings.append,
        )
        self._writes = CircuitBreaker(
            f"the tier {self.url} takes nothing ({{}}): new results stay here and are not shared", self.warnings.append
        )
        self._asked: OrderedDict[str, Request[bytes | None]] = OrderedDict()
        self._absent: dict[str, float] = {}  # until when, by name
        self._mutex = threading.Lock()  # of these two
        self._useless: set[str] = set()  # names under which something damaged lies: it is written anew
        self._queued = 0
        self._settled = threading.Condition()
        self._check_trust()

    @staticmethod
    def of(url: str, key: bytes | None) -> Tier:
        """The tier at a URL or a folder, shared by all in this process; StoreError if it cannot be trusted."""
        with _making:
            return _tier(url, key, os.getpid())  # a forked child has none of its parent's threads

    @property
    def signed(self) -> bool:
        """Whether there is a key, with which records are signed."""
        return self._signer.has_key

    def _check_trust(self) -> None:
        """StoreError unless records are signed, or lie where nobody else can write."""
        if self._signer.has_key or self._storage.protocol == "memory":
            return
        if not self._storage.is_local:
            raise StoreError(
                f"the tier '{self.url}' needs a key: set $STUDIO_TIER_KEY to a secret of all who share it, "
                "so that nobody else can say what a step has given"
            )
        private = self._reads.outcome(Request(self._reading, self._storage.is_private), _READ_LIMIT)
        if private is None:
            self._reads.open()
            self._writes.open()
            self.warnings.append(f"the tier {self.url} is not there: it is left alone")
        if private is False:
            raise StoreError(
                f"the tier '{self.url}' can be entered by others, and a record there decides what a step is said to "
                "have given: set $STUDIO_TIER_KEY to a secret of all who share it, or make the folder yours (chmod 700)"
            )

    # Reading -----------------------------------------------------------------

    def ask(self, names: Iterable[str]) -> None:
        """Begins to read records, several at a time; `record` then finds them, or finds that they are not there."""
        for name in names:
            with self._mutex:
                if self._reads.is_open or name in self._asked or self._is_absent(name):
                    continue
                self._asked[name] = self._read(name)
                if len(self._asked) > _MOST_ASKED:
                    self._asked.popitem(last=False)

    def record(self, name: str) -> bytes | None:
        """The bytes of a record that can be believed, if there is one."""
        if self._reads.is_open or self._is_absent(name):
            return None
        self.ask([name])
        with self._mutex:
            request = self._asked.pop(name, None)
        signed = self._reads.outcome(request or self._read(name), _READ_LIMIT)
        if signed is None:
            self._remember_absent(name)
            return None
        body = self._signer.verified(signed) if len(signed) <= _MOST_RECORD else None
        if body is None:
            self.refuse(name, "a record with no signature, or another" if self.signed else "a record that is no record")
        return body

    def fetch(self, files: Sequence[_Wanted], seconds: float) -> bool:
        """Hands each file to what takes it in, which raises Damaged if it is not the one; whether all of them came."""
        requests = [Request(self._reading, partial(self._receive, *wanted)) for wanted in files]
        arrived = [self._reads.outcome(request, seconds) for request in requests]  # all of them, whichever fails
        return all(arrived)

    def refuse(self, name: str, what: str = "") -> None:
        """Says that what lies under a name is of no use: it counts as absent, and is written anew.

        `what` it is, if that is suspicious: the first time, there is a warning.
        """
        self._useless.add(name)
        self._remember_absent(name)
        if not what:
            return
        self.refused += 1
        if self.refused == 1:
            self.warnings.append(f"the tier {self.url} holds {what}: it is not used, and made anew")

    def reached(self) -> bool:
        """Whether it answers at all."""
        return bool(self._reads.outcome(Request(self._reading, self._storage.answers), _READ_LIMIT))

    def _read(self, name: str) -> Request[bytes | None]:
        # When its turn comes, the breaker may have opened: then the storage is not asked any more.
        return Request(
            self._reading,
            lambda: None if self._reads.is_open else self._storage.read(name, _MOST_RECORD + 1),
        )

    def _receive(self, name: str, size: int, take: Callable[[Iterable[bytes]], None]) -> bool:
        if self._reads.is_open:
            return False
        try:
            take(self._storage.chunks(name, size + 1))  # one byte too many is enough to see that it is another file
        except Damaged:
            self.refuse(name, "a blob that is damaged")
            return False
        except Missing:
            self.refuse(name)
            return False
        except OSError:  # the cache takes nothing: that is no fault of the tier's
            return False
        return True

    def _is_absent(self, name: str) -> bool:
        return self._absent.get(name, 0.0) > time.monotonic()

    def _remember_absent(self, name: str) -> None:
        with self._mutex:
            if len(self._absent) >= _MOST_ABSENT:
                self._absent.clear()
            self._absent[name] = time.monotonic() + _ABSENCE

    # Writing -----------------------------------------------------------------

    @property
    def takes(self) -> bool:
        """Whether it is worth trying to put something there."""
        return not self._writes.is_open

    def put(self, name: str, source: Path) -> bool:
        """Copies a file there, unless it is there; whether it now is."""
        size = source.stat().st_size

        def copy() -> bool:
            if name in self._useless or self._storage.size(name) != size:
                self._storage.put_file(name, source)
            return True

        return self._write(name, size, copy)

    def put_record(self, name: str, body: bytes, replace: bool = False) -> bool:
        """Puts a record there, signed; unless there is one, or it is to be replaced. Whether one is there."""
        signed = self._signer.sign(body)

        def keep() -> bool:
            if replace or name in self._useless or self._storage.size(name) is None:
                self._storage.put_bytes(name, signed)
            return True

        done = self._write(name, len(signed), keep)
        with self._mutex:  # an answer from before it was there does not count any more
            self._absent.pop(name, None)
            self._asked.pop(name, None)
        return done

    def _write(self, name: str, size: int, call: Callable[[], bool]) -> bool:
        if self._writes.is_open:
            return False
        done = bool(self._writes.outcome(Request(self._writing, call), _WRITE_LIMIT + size / (1 << 20)))
        if done:
            self._useless.discard(name)
        return done

    # What is put off ---------------------------------------------------------

    def later(self, call: Callable[[], None]) -> bool:
        """Puts a call off, to be made soon by another thread; False if too many wait already."""
        with self._settled:
            if self._writes.is_open or self._queued >= _MOST_QUEUED:
                return False
            self._queued += 1
        self._putting_off.submit(partial(self._make, call))
        return True

    def _make(self, call: Callable[[], None]) -> None:
        try:
            call()
        finally:
            with self._settled:
                self._queued -= 1
                self._settled.notify_all()

    def flush(self, seconds: float) -> int:
        """Waits for all that was put off, for some time at most; how many calls are left."""
        with self._settled:
            self._settled.wait_for(lambda: not self._queued, seconds)
            return self._queued


@functools.cache
def _tier(url: str, key: bytes | None, pid: int) -> Tier:
    tier = Tier(url, key)
    # The threads are dropped at the end of the process. A forked child inherits this hook, but not the threads.
    atexit.register(lambda: tier.flush(_AT_EXIT) if os.getpid() == pid else None)
    return tier
