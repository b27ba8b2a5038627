"""Leases: one computation per key, among the threads and processes that share a folder.

A lease is a lock on one byte of one file, at an offset taken from the key. The kernel gives it back
the moment its holder dies, so there is no heartbeat, no owner to probe and nothing stale to break
(docs/decisions/0005). Where the folder cannot be locked, keys may be computed twice: never wrongly.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import threading
from pathlib import Path

__all__ = ["Leases"]


class Leases:
    """The keys now being computed under a folder. Make it by `Leases.of`: one a folder and process."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "leases"
        self._file: int | None = None
        self._pid = 0
        self._held: set[str] = set()
        self._mutex = threading.Lock()

    @staticmethod
    def of(folder: Path) -> Leases:
        """The leases of a folder, shared by all in this process: the locks are the process's."""
        return _leases(folder.resolve())

    def take(self, key: str) -> bool:
        """Whether the key is now ours to compute; False while somebody else does."""
        with self._mutex:
            if self._pid != os.getpid():
                # A forked child holds none of its parent's locks. It leaves the parent's file open: that is harmless,
                # while closing any descriptor of a file drops all locks that the same process has on it.
                self._file, self._pid, self._held = None, os.getpid(), set()
            # Locks do not keep the threads of one process from each other: the set does.
            if key in self._held or not self._lock(key):
                return False
            self._held.add(key)
            return True

    def give(self, key: str) -> None:
        """Ends a lease: from now on another may take the key."""
        with self._mutex:
            if key in self._held:
                self._held.discard(key)
                self._unlock(key)

    def _lock(self, key: str) -> bool:
        try:
            fcntl.lockf(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(key))
        except BlockingIOError:
            return False
        except OSError:
            return True  # no locks here: go on without
        return True

    def _unlock(self, key: str) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(key))

    def _open(self) -> int:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file


@functools.cache
def _leases(folder: Path) -> Leases:
    return Leases(folder)


def _offset(key: str) -> int:
    return int(key[:15], 16)
