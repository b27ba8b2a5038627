"""Footprints: what a worker weighed and how long it took to load, measured once and remembered on disk.

A small JSON file, written whole or not at all. What cannot be read or written is measured anew: it
costs time, never correctness.
"""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from studio.files import write_atomically

__all__ = ["Footprint", "Footprints"]

_MOST = 1000  # footprints kept, the last measured


@dataclass(frozen=True)
class Footprint:
    """What one kind of worker needs, as measured when it was last loaded."""

    memory: int = 0  # bytes of the machine's
    gpu_memory: int = 0  # bytes of each of its GPUs'
    seconds: float = 0.0  # to load


class Footprints:
    """Footprints by the key of a recipe; with no file, for as long as this process lives."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, Footprint] | None = None
        self._mutex = threading.Lock()

    def of(self, key: str) -> Footprint:
        """The footprint of a kind of worker: all zero, if it was never loaded."""
        return self._all.get(key, Footprint())

    def learn(self, key: str, found: Footprint) -> None:
        """Remembers a footprint."""
        with self._mutex:
            known = self._all if self._file is None else self._read()  # others may have learnt meanwhile
            known.pop(key, None)
            known[key] = found
            self._known = dict(list(known.items())[-_MOST:])
            if self._file is not None:
                told = json.dumps({key: asdict(each) for key, each in self._known.items()}, indent=1)
                with contextlib.suppress(OSError):
                    self._file.parent.mkdir(parents=True, exist_ok=True)
                    write_atomically(self._file, told.encode())

    @property
    def _all(self) -> dict[str, Footprint]:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> dict[str, Footprint]:
        if self._file is None:
            return {}
        names = [each.name for each in fields(Footprint)]
        try:
            told = json.loads(self._file.read_bytes())
            return {key: Footprint(*(max(0, each[name]) for name in names)) for key, each in told.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return self._known or {}
