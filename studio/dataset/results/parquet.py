"""Parquet: the lines of a run as a table, a column for each output. It knows no journal.

The type of a column is what all its values have in common: a scalar, a list, a struct. Where they
have nothing in common, or Parquet has no such type, the column holds JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from studio.errors import MissingExtra, StoreError

__all__ = ["write_parquet"]

# None for nulls alone, the name of a scalar, [type] for a list, {name: type} for a struct.
_Type: TypeAlias = Any

_GROUP_ROWS = 10_000
_GROUP_BYTES = 16 << 20  # of JSON in a row group
_MOST_FIELDS = 100  # of a struct; more than that are no fields but keys
_MOST_DEPTH = 10  # of lists and structs in one another
_OWN = ("id", "status", "seconds", "error")
_EXACT = 2**53  # the integers up to here are floats, too


class _Mixed(Exception):
    """Values that no type holds."""


def write_parquet(folder: Path) -> Path:
    """Writes `results.parquet` from the `results.jsonl` of a settled run, and replaces the one before."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    path, temporary = folder / "results.parquet", folder / ".results.parquet.part"
    try:
        types = _types(folder / "results.jsonl")
        schema = pa.schema([(name, _arrow(pa, type_)) for name, type_ in types.items()])
        with pq.ParquetWriter(temporary, schema) as writer:
            for rows in _groups(folder / "results.jsonl"):
                columns = {name: [_fitted(row.get(name), type_) for row in rows] for name, type_ in types.items()}
                writer.write_table(pa.table(columns, schema))
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"'{path}' cannot be written: {error.strerror or error}. Make room, and try again") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _groups(results: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows by column, as many at a time as make a row group."""
    rows: list[dict[str, Any]] = []
    size = 0
    with results.open("rb") as file:
        for line in file:
            rows.append(_columns(json.loads(line)))
            size += len(line)
            if len(rows) == _GROUP_ROWS or size > _GROUP_BYTES:
                yield rows
                rows, size = [], 0
    if rows:
        yield rows


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    """A row by column; an output that is called as one of our own columns is told apart."""
    own = {name: row.get(name) for name in _OWN}
    outputs = row.get("outputs") or {}
    return {**own, **{f"outputs.{name}" if name in _OWN else name: value for name, value in outputs.items()}}


# Types -----------------------------------------------------------------------


def _types(results: Path) -> dict[str, _Type]:
    """The type of each column, over the whole file."""
    types: dict[str, _Type] = {"id": "string", "status": "string", "seconds": "float64", "error": None}
    for rows in _groups(results):
        for row in rows:
            for name, value in row.items():
                if (known := types.get(name)) != "json":
                    types[name] = _joined(known, value)
    return {name: type_ if _stands(type_) else "json" for name, type_ in types.items()}


def _joined(known: _Type, value: Any) -> _Type:
    """The type of a column once it holds this value, too."""
    try:
        return _common(known, _type(value))
    except _Mixed:
        return "json"


def _type(value: Any) -> _Type:
    if value is None:
        return None
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return "float64"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        inner: _Type = None
        for item in value:
            inner = _common(inner, _type(item))
        return [inner]
    return _struct({name: _type(item) for name, item in value.items() if _text(name)})


def _struct(fields: dict[str, _Type]) -> _Type:
    if len(fields) > _MOST_FIELDS:
        raise _Mixed
    return fields


def _integer(value: int) -> str:
    if not -(2**63) <= value < 2**63:
        raise _Mixed
    return "int53" if -_EXACT <= value <= _EXACT else "int64"


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Mixed from None
    return "string"


def _common(one: _Type, other: _Type) -> _Type:
    """The narrowest type that holds the values of both."""
    if one == other or other is None:
        return one
    if one is None:
        return other
    if isinstance(one, list) and isinstance(other, list):
        return [_common(one[0], other[0])]
    if isinstance(one, dict) and isinstance(other, dict):
        return _struct({name: _common(one.get(name), other.get(name)) for name in {**one, **other}})
    if isinstance(one, str) and isinstance(other, str) and {one, other} in ({"int53", "int64"}, {"int53", "float64"}):
        return one if other == "int53" else other
    raise _Mixed


def _stands(type_: _Type, depth: int = 0) -> bool:
    """Whether Parquet has such a type: it knows no struct without fields, and no great depth."""
    if isinstance(type_, list):
        return depth < _MOST_DEPTH and _stands(type_[0], depth + 1)
    if isinstance(type_, dict):
        return depth < _MOST_DEPTH and bool(type_) and all(_stands(inner, depth + 1) for inner in type_.values())
    return True


def _arrow(pa: Any, type_: _Type) -> Any:
    """The same in the terms of pyarrow."""
    if isinstance(type_, list):
        return pa.list_(_arrow(pa, type_[0]))
    if isinstance(type_, dict):
        return pa.struct([(name, _arrow(pa, inner)) for name, inner in type_.items()])
    scalars = {"bool": pa.bool_(), "int53": pa.int64(), "int64": pa.int64(), "float64": pa.float64()}
    return scalars.get(type_, pa.string())  # text, JSON, and what is null everywhere


def _fitted(value: Any, type_: _Type) -> Any:
    return json.dumps(value) if type_ == "json" and value is not None else value
