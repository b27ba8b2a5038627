"""Kind and Media: what every kind of value can do. It knows no store and no node.

A Kind turns what people hand over into a value (`coerce`), a value into bytes at rest (`encode`)
and back (`decode`). Encoding is deterministic: equal values give equal bytes, hence equal digests.
"""

from __future__ import annotations

import json
import os
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from sys import getrefcount
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TEMPORARY", "JsonKind", "Kind", "Media", "MediaKind", "frozen", "to_json"]

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_decoder = json.JSONDecoder()

T = TypeVar("T")
M = TypeVar("M", bound="Media")


class _Probe:
    """Counts the references to what it is given."""

    def __init__(self, given: object) -> None:
        self.count = getrefcount(given)


def _temporary() -> int:
    """How many references a constructor sees to an argument that nobody else holds; 0 if it cannot tell."""
    held = object()
    given, kept = _Probe(object()).count, _Probe(held).count
    return given if given < kept else 0


TEMPORARY = _temporary()


A = TypeVar("A", bound="NDArray[Any]")


def frozen(array: A, source: object, *, given: bool) -> A:
    """The array, read-only: itself, if it was given away (a temporary of the caller's), else a copy of its own.

    `source` is what it was made from. Copying 50 MB costs more than all the rest of a value.
    """
    if array.flags.writeable:
        # It may be a view of the whole, as where a dtype came by pickle.
        owner: Any = source if array.base is source else array
        alone = type(source) is type(array) and owner.base is None and (given or owner is not source)
        array = array if alone else array.copy()
        (owner if alone else array).flags.writeable = False
    elif _memory_of(array).flags.writeable:  # it may not be written to, but what it is a view of
        array = array.copy()
    array.flags.writeable = False
    return array.view()  # which nobody can make writeable again


def _memory_of(array: Any) -> Any:
    """The array that holds what this one is a view of."""
    while type(array.base) is type(array):
        array = array.base
    return array


class Kind(ABC, Generic[T]):
    """One kind of value: its name, its Python type, and its ways in and out."""

    name: ClassVar[str]
    suffix: ClassVar[str]  # of the file at rest
    suffixes: ClassVar[tuple[str, ...]] = ()  # that files of it mostly have, where these tell the kind; see `holds`
    plain: ClassVar[bool] = False  # small JSON, rather than media
    from_path: ClassVar[bool] = False  # given as the path of a file
    by_path: ClassVar[bool] = False  # decoded from a file that stays where it is, never read whole

    python: type  # the Python type in a node's hands

    @abstractmethod
    def coerce(self, raw: object) -> T:
        """A value from what a person or a node hands over; ValueError says what would do."""

    @abstractmethod
    def encode(self, value: T) -> bytes | Path:
        """The bytes at rest, or the file that already holds them."""

    @abstractmethod
    def decode(self, source: bytes | Path, name: str = "") -> T:
        """The value back from its bytes; for a `by_path` kind, from its file, or from bytes and the file's name."""

    def holds(self, path: Path) -> bool:
        """Whether a file is one of this kind, as its first bytes tell, whatever it is called."""
        return False

    def parse(self, word: str) -> T:
        """A value from a word on the command line."""
        return self.coerce(word)


def to_json(data: object) -> bytes:
    """Compact JSON in the order given; ValueError names what JSON cannot hold."""
    try:
        return _encode(data).encode()
    except RecursionError:
        raise ValueError("data nested too deeply, or holding itself") from None
    except UnicodeEncodeError as error:
        raise ValueError(f"half of a character ({error.object[error.start]!r}) is no text") from None
    except TypeError as error:
        raise ValueError(f"not plain data: {error}") from None
    except ValueError as error:
        if "digits" not in str(error):
            raise
        raise ValueError(f"an integer has more than {sys.get_int_max_str_digits():,} digits: give it as text") from None


def _decode(text: str) -> Any:
    """What was encoded here, without spaces around it, which json.loads would look for."""
    data, end = _decoder.raw_decode(text)
    return data if end == len(text) else _decoder.decode(text)


class JsonKind(Kind[T]):
    """A kind whose value is small, and at rest a line of JSON."""

    suffix = ".json"
    plain = True

    def encode(self, value: T) -> bytes:
        return to_json(self.dump(value))

    def decode(self, source: bytes | Path, name: str = "") -> T:
        assert isinstance(source, bytes)
        return self.restore(_decode(source.decode()))

    def dump(self, value: T) -> object:
        """The value as plain data."""
        return value

    def restore(self, data: Any) -> T:
        """The value from its plain data."""
        return self.coerce(data)


class Media:
    """An immutable value that is heavy: it lives in memory or in a file, and can be saved."""

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """The name of its file, where that is a part of the value; else empty."""
        return ""

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """A value from a file, which is checked; ValueError says what it is instead."""
        try:
            return cls.from_bytes(Path(path).read_bytes())
        except ValueError as error:
            raise ValueError(f"'{path}' is {error}") from None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """A value from the bytes of a file, which are checked."""
        raise NotImplementedError

    def to_bytes(self) -> bytes | Path:
        """The bytes at rest: the original ones where the value is an untouched file."""
        raise NotImplementedError

    def save(self, path: str | Path) -> Path:
        """Writes a file that other programs read, in the format of its suffix."""
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """What the value weighs in memory, in bytes."""
        raise NotImplementedError

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how its file was read, such as what of it was left aside."""
        return ()


class MediaKind(Kind[M]):
    """A kind whose values are a class of Media."""

    from_path = True

    python: type[M]

    def coerce(self, raw: object) -> M:
        if isinstance(raw, self.python):
            return raw
        if isinstance(raw, str | Path):
            return self.python.open(existing(raw))
        if isinstance(raw, bytes | bytearray | memoryview):
            return self.python.from_bytes(bytes(raw))
        return self.convert(raw)

    def convert(self, raw: object) -> M:
        """A value from some other Python object, such as an array."""
        raise ValueError(
            f"a {type(raw).__name__} is no {self.name}; give a path, bytes or a studio.{self.python.__name__}"
        )

    def encode(self, value: M) -> bytes | Path:
        return value.to_bytes()

    def decode(self, source: bytes | Path, name: str = "") -> M:
        return self.python.open(source) if isinstance(source, Path) else self.python.from_bytes(source)


def existing(raw: str | Path) -> Path:
    """The path of a file that is there; ValueError says what is."""
    path = Path(os.path.expanduser(raw))  # noqa: PTH111 the home of nobody stays as it is written
    if path.is_dir():
        raise ValueError(f"'{raw}' is a folder, not a file")
    if not path.exists():
        raise ValueError(f"no such file: '{raw}'")
    if not path.is_file():
        raise ValueError(f"'{raw}' is a pipe or a device, which can be read only once: save it to a file first")
    if not path.stat().st_size:
        raise ValueError(f"the file is empty: '{raw}'")
    return path
