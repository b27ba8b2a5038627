"""What a data set is read from: one way a file, chosen by the look of the source. It knows no graph and no cache."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from studio.dataset.sources.base import LeftOut, Row, Rows, why
from studio.dataset.sources.csv import CsvRows
from studio.dataset.sources.files import FileRows, Media, kind_held
from studio.dataset.sources.given import GivenRows
from studio.dataset.sources.jsonl import JsonlRows, JsonlStream
from studio.dataset.sources.parquet import ParquetRows
from studio.errors import UsageError, did_you_mean

__all__ = ["LeftOut", "Media", "Row", "Rows", "open_rows"]

_FORMATS: dict[str, type[JsonlRows | CsvRows | ParquetRows]] = {
    ".jsonl": JsonlRows,
    ".ndjson": JsonlRows,
    ".csv": CsvRows,
    ".tsv": CsvRows,
    ".parquet": ParquetRows,
}
_READABLE = (
    "Rows are read from .jsonl, .ndjson (these also as .gz), .csv, .tsv and .parquet, "
    "from a folder or a pattern of media files, and as JSON Lines from '-', which is stdin"
)


def open_rows(
    source: str | os.PathLike[str] | Iterable[object], media: Media | None = None, apart: Path | None = None
) -> Rows:
    """The rows of a file, a folder, a pattern, `-` or an iterable of mappings.

    media: the suffixes of each kind of media file that may be an item; without, any file of a folder is one.
    apart: a folder whose files are none, wherever it lies.
    UsageError says what cannot be opened at all; InputError what is wrong inside.
    """
    if isinstance(source, Rows):
        return source
    if isinstance(source, str) and source == "-":
        return JsonlStream(sys.stdin.buffer)
    if isinstance(source, str | os.PathLike) and os.fspath(source):
        return _at(Path(source).expanduser(), media, apart)
    if isinstance(source, str | bytes | Mapping) or not isinstance(source, Iterable):
        raise UsageError(f"rows are given as an iterable of mappings, one a row, not as a {type(source).__name__}")
    return GivenRows(source)


def _at(path: Path, media: Media | None, apart: Path | None) -> Rows:
    try:
        if path.is_dir():
            return FileRows(path, media=media, apart=apart)
        if path.exists():
            return _of_file(path, media)
        if glob.has_magic(str(path)):
            folder, pattern = _split(path)
            return FileRows(folder, pattern, media, apart) if folder.is_dir() else _missing(folder)
    except OSError as error:
        raise UsageError(f"'{str(path)[:200]}': {why(error)}") from None
    return _missing(path)


def _of_file(path: Path, media: Media | None) -> Rows:
    suffix = path.suffix.lower()
    if path.name.lower().endswith((".jsonl.gz", ".ndjson.gz")):
        return JsonlRows(path)
    if suffix in _FORMATS:
        return _FORMATS[suffix](path)
    named = any(suffix == known.lower() for suffixes in (media or {}).values() for known in suffixes)
    if named or media is None or kind_held(path, media):
        return FileRows(path.parent, glob.escape(path.name), media)
    if suffix == ".json":
        raise UsageError(f"'{path}' is one JSON document. Write one object a line, as {path.stem}.jsonl. {_READABLE}")
    hint = did_you_mean(suffix, _FORMATS)
    raise UsageError(f"'{path}': files like this hold no rows that can be read. {hint and hint + ' '}{_READABLE}")


def _split(path: Path) -> tuple[Path, str]:
    """The folder above a pattern, and the pattern from there."""
    first = next(index for index, part in enumerate(path.parts) if glob.has_magic(part))
    return Path(*path.parts[:first]), "/".join(path.parts[first:])


def _missing(path: Path) -> Rows:
    siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = did_you_mean(path.name, siblings)
    raise UsageError(f"there is no file or folder '{path}'. {hint and hint + ' '}{_READABLE}")
