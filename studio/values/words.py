"""Words: a word that a person typed (on a command line, in a CSV file) as a value of a type."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

from studio.values import KINDS, PortType
from studio.values.plain import from_json

__all__ = ["encoding_of", "text_in", "value_from"]

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
        return from_json(word) if word.startswith("[") else [value_from(word, type_.item())]
    return word if KINDS[type_.kind].from_path else KINDS[type_.kind].parse(word)


def encoding_of(start: bytes) -> str:
    """The encoding that the first bytes of a text say, and else UTF-8."""
    return next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), "utf-8")


def text_in(path: Path) -> str:
    """The text in a file, line breaks as in Unix: UTF-8, or as its first bytes say; ValueError if it is neither."""
    data = path.read_bytes()
    encoding = encoding_of(data[:4])
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise ValueError(
            f"'{path}' is not text in {name}, from byte {error.start + 1} on ({error.reason}): save it as UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
