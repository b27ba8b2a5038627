"""Words: a word that a person typed (on a command line, in a CSV file) as a value of a type."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from studio.values import KINDS, PortType
from studio.values.plain import from_json

__all__ = ["encoding_of", "is_unmarked", "text_in", "value_from"]

_START = 4096  # bytes that show how a text is written

_MARKS = {  # the longer first: UTF-32 begins as UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def value_from(word: str, type_: PortType) -> Any:
    """The value of a type that one word stands for: lists as JSON, media by their path; ValueError if it is none."""
    if type_.many:
        return _listed(word, type_) if word.startswith("[") else [value_from(word, type_.item())]
    return word if KINDS[type_.kind].from_path else KINDS[type_.kind].parse(word)


def _listed(word: str, type_: PortType) -> Any:
    try:
        return from_json(word)
    except json.JSONDecodeError as error:
        shown = word if len(word) <= 60 else word[:57] + "…"
        raise ValueError(f"expected {type_} as JSON, not '{shown}' ({error})") from None
    except RecursionError:
        raise ValueError(f"expected {type_}, not lists nested so deep") from None


def encoding_of(start: bytes) -> str:
    """The encoding that the first bytes of a text say, and else UTF-8."""
    return next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), "utf-8")


def is_unmarked(start: bytes) -> bool:
    """Whether text without a byte order mark is in UTF-16 or UTF-32: most of its every other byte is NUL."""
    ones, others = (2 * start[first::2].count(0) > len(start[first::2]) for first in (0, 1))
    return len(start) >= 4 and ones != others


def text_in(path: Path) -> str:
    """The text in a file, line breaks as in Unix: UTF-8, or as its first bytes say; ValueError if it is neither."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}") from None
    encoding = encoding_of(data[:4])
    if encoding == "utf-8" and is_unmarked(data[:_START]):
        raise ValueError(f"'{path}' is text in UTF-16 or UTF-32 without a byte order mark: save it as UTF-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise ValueError(
            f"'{path}' is not text in {name}, from byte {error.start + 1} on ({error.reason}): save it as UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
