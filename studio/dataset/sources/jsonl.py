"""JSON Lines: one object a line, from a file or a stream. It knows no other format."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from studio.dataset.sources.base import Row, Rows, newlines, opened, why
from studio.errors import InputError
from studio.paths import absolute
from studio.values.plain import float_of

__all__ = ["JsonlRows", "JsonlStream"]

_BOM = b"\xef\xbb\xbf"
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?|[{}]|NaN|-?Infinity')


class JsonlRows(Rows):
    """The rows of a file, which may be compressed."""

    def __init__(self, path: Path) -> None:
        self.name, self._path = str(path), absolute(path)
        self.folder = self._path.parent
        self._packed = path.suffix.lower() == ".gz"

    def __iter__(self) -> Iterator[Row]:
        with opened(self._path) as file:
            yield from _rows(self.name, gzip.GzipFile(fileobj=file) if self._packed else file)

    def count(self) -> int | None:
        return None if self._packed else newlines(self._path)


class JsonlStream(Rows):
    """The rows of a stream, which can be gone through once."""

    def __init__(self, stream: BinaryIO, name: str = "stdin") -> None:
        self.name, self.folder = name, absolute()
        self._stream: BinaryIO | None = stream

    def __iter__(self) -> Iterator[Row]:
        stream, self._stream = self._stream, None
        if stream is None:
            raise InputError(f"{self.name} was read already, and cannot be read again: put the rows in a file")
        return _rows(self.name, stream)

    def count(self) -> int | None:
        return None


def _rows(name: str, lines: Iterable[bytes]) -> Iterator[Row]:
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            if number == 1:
                line = line.removeprefix(_BOM)  # noqa: PLW2901
            if not (text := line.rstrip()):
                continue
            try:
                values = _decode(text.decode())
            except (ValueError, RecursionError) as error:
                column, message = _wrong(line, error)
                yield Row(f"{name}:{number}:{column}", error=message)
                continue
            if type(values) is dict:
                yield Row(f"{name}:{number}", values)
            else:
                yield Row(f"{name}:{number}:1", error=f'{_a(values)}, not an object: a row is {{"COLUMN": VALUE, …}}')
    except (OSError, EOFError, zlib.error) as error:
        yield Row(f"{name}:{number + 1}", error=f"the file breaks off here, and what follows is lost: {why(error)}")


class _Refused(ValueError):
    """JSON as Python reads it, but not as it is meant."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Refused
    return made


def _constant(_: str) -> None:
    raise _Refused


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=float_of)


def _decode(text: str) -> Any:
    """A line without spaces around it; ValueError says what is wrong."""
    values, end = _decoder.raw_decode(text)
    return values if end == len(text) else _decoder.decode(text)


def _wrong(line: bytes, error: Exception) -> tuple[int, str]:
    """The column of what is wrong with a line, from 1, and what it is."""
    if isinstance(error, UnicodeDecodeError):
        return len(line[: error.start].decode()) + 1, "not text in UTF-8"
    if isinstance(error, json.JSONDecodeError):
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        return error.pos + 1, f"not JSON: {what[0].lower()}{what[1:]}"
    if isinstance(error, RecursionError):
        return 1, "nested too deep"
    if isinstance(error, _Refused):
        return _refused(line.decode())
    return 1, f"not JSON: {why(error)}"


def _refused(text: str) -> tuple[int, str]:
    """Where a key stands for the second time in its object, or a word that JSON does not have."""
    keys: list[set[str]] = []
    for token in _TOKENS.finditer(text):
        word = token[0]
        if word == "{":
            keys.append(set())
        elif word == "}":
            keys.pop()
        elif not word.startswith('"'):
            return token.start() + 1, f"{word} is no JSON: leave the value out, or write null"
        elif token[1]:
            key = json.loads(word.removesuffix(token[1]))
            if key in keys[-1]:
                return token.start() + 1, f"the key '{key}' stands twice"
            keys[-1].add(key)
    raise AssertionError(text)


def _a(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
