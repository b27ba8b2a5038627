"""The tensors in a checkpoint of torch, read without torch and without unpickling: nothing in the file can run.

torch's form of before 2020 (torch/serialization.py, `_legacy_load`): four pickles, the third saying which tensor lies
in which storage, the fourth in which order; then the storages, each a count of numbers and the numbers.
"""

import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


@dataclass(frozen=True)
class _Place:
    """Where one tensor lies."""

    storage: str
    kind: str
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of the file by name."""
    with path.open("rb") as file:
        for _ in range(3):  # magic number, version, facts of the machine
            _words(file)
        places = _places(_words(file))
        order = [word for word in _words(file) if isinstance(word, str)]
        types = {place.storage: _TYPES[place.kind] for place in places.values()}
        storages = {key: _numbers(file, types[key]) for key in order}
    return {name: _tensor(place, storages[place.storage]) for name, place in places.items()}


def _words(file: BinaryIO) -> list[object]:
    """What the next pickle says, in order, nothing of it obeyed: its names and numbers, and None where a tuple ends."""
    said: list[object] = []
    memory: dict[int, object] = {}
    for code, value, _ in pickletools.genops(file):
        if code.name in ("BINPUT", "LONG_BINPUT"):
            memory[value] = said[-1] if said else None  # type: ignore[index]
        elif code.name in ("BINGET", "LONG_BINGET"):
            said.append(memory[value])  # type: ignore[index]
        elif code.name in ("BINUNICODE", "GLOBAL", "BININT", "BININT1", "BININT2"):
            said.append(value)
        elif code.name.startswith("TUPLE") or code.name == "EMPTY_TUPLE":
            said.append(None)
    return said


def _places(words: list[object]) -> dict[str, _Place]:
    """The tensors: a name, its storage (kind, key, device, size), where it starts, its shape and its strides."""
    found = {}
    starts = [i for i, word in enumerate(words) if word == "storage"]
    for at in starts:
        name = next(word for word in reversed(words[:at]) if isinstance(word, str) and not word.startswith("torch"))
        kind, key = str(words[at + 1]).rpartition(" ")[2], str(words[at + 2])
        begin = words.index(None, at) + 1
        middle = words.index(None, begin)
        end = words.index(None, middle + 1)
        start, *shape = _whole(words[begin:middle])
        found[name] = _Place(key, kind, start, tuple(shape), tuple(_whole(words[middle + 1 : end])))
    return found


def _whole(words: list[object]) -> list[int]:
    return [word for word in words if isinstance(word, int)]


def _numbers(file: BinaryIO, type_: str) -> np.ndarray:
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * np.dtype(type_).itemsize), type_)


def _tensor(place: _Place, storage: np.ndarray) -> np.ndarray:
    """A tensor as its strides lay it over its storage; numpy refuses to look past the end."""
    steps = [stride * storage.itemsize for stride in place.strides]
    return np.ndarray(place.shape, storage.dtype, storage, place.start * storage.itemsize, steps)
