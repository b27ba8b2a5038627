"""Parquet: rows by batches of a few megabytes. Only this file knows pyarrow; it is imported when one is opened."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from studio.dataset.sources.base import Row, Rows, check_columns, why
from studio.errors import InputError, MissingExtra
from studio.paths import absolute

__all__ = ["ParquetRows"]

_BATCH_BYTES = 4 << 20
_BATCH_ROWS = 1024
_BUFFER_BYTES = 1 << 20  # read ahead of each column, instead of all of it
_PLAIN = (type(None), bool, int, float, str, bytes, decimal.Decimal)
_MEDIA = {"bytes", "path"}  # how data sets of Hugging Face hold a picture or a sound


class ParquetRows(Rows):
    """The rows of a file. Its values are plain data: times become text; decimals stay, for no digit to be lost."""

    def __init__(self, path: Path) -> None:
        self.name, self._path = str(path), absolute(path)
        self.folder = self._path.parent
        with self._opened() as file:
            self.columns = tuple(file.schema_arrow.names)
            self._count = int(file.metadata.num_rows)
        check_columns(self.name, self.columns)

    def __iter__(self) -> Iterator[Row]:
        number = 0  # of the last row so far
        with self._opened() as file:
            for group in range(file.num_row_groups):
                last = number + file.metadata.row_group(group).num_rows
                try:
                    for row in self._group(file, group, number):
                        yield row
                        number += 1
                except Exception as error:  # of pyarrow; other groups may be whole
                    yield Row(
                        f"{self.name}:{number + 1}", error=f"rows {number + 1} to {last} are damaged: {why(error)}"
                    )
                number = last

    def count(self) -> int:
        return self._count

    def _group(self, file: Any, group: int, number: int) -> Iterator[Row]:
        about = file.metadata.row_group(group)
        size = min(_BATCH_ROWS, max(1, _BATCH_BYTES * about.num_rows // max(1, about.total_byte_size)))
        for batch in file.iter_batches(size, row_groups=[group], use_threads=False):
            yield from _rows(self.name, batch, number)
            number += batch.num_rows

    def _opened(self) -> Any:
        try:
            from pyarrow import parquet
        except ImportError as error:
            raise MissingExtra("pyarrow", "parquet") from error
        try:
            return parquet.ParquetFile(
                self._path,
                buffer_size=_BUFFER_BYTES,
                pre_buffer=False,  # or a group of rows is held whole
                page_checksum_verification=True,
            )
        except OSError as error:
            raise InputError(f"'{self.name}': {why(error)}") from None
        except ValueError as error:
            raise InputError(f"'{self.name}' is not Parquet, or damaged: {why(error)}") from None


def _rows(name: str, batch: Any, number: int) -> Iterator[Row]:
    """The rows of a batch that follow upon row `number`."""
    try:
        found = _whole(batch).to_pylist()
    except Exception as error:  # a value that Python has no type for: the other rows have theirs
        if batch.num_rows == 1:
            yield Row(f"{name}:{number + 1}", error=why(error))
            return
        for offset in range(batch.num_rows):
            yield from _rows(name, batch.slice(offset, 1), number + offset)
        return
    for place, values in enumerate(found, number + 1):
        yield Row(f"{name}:{place}", {column: _plain(value) for column, value in values.items()})


def _whole(batch: Any) -> Any:
    """The batch with times of the day as text where they have nanoseconds, which Python's own would lose."""
    import pyarrow as pa

    for place, column in enumerate(batch.columns):
        if column.type == pa.time64("ns"):
            batch = batch.set_column(place, batch.schema.names[place], column.cast(pa.string()))
    return batch


def _plain(value: Any) -> Any:
    """A value as plain data; a picture or a sound as its bytes, or else as its path."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == _MEDIA:
            return value["path"] if value["bytes"] is None else value["bytes"]
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, dt.timedelta):
        return _seconds(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _seconds(value: dt.timedelta) -> float | decimal.Decimal:
    """A length of time in seconds, exactly; pandas' own has nanoseconds."""
    nanos = getattr(value, "value", None) or (value // dt.timedelta(microseconds=1)) * 1000
    seconds, exact = value.total_seconds(), decimal.Decimal(nanos).scaleb(-9)
    return seconds if decimal.Decimal(repr(seconds)) == exact else exact
