"""Udf: a graph as a class for Ray Data's `map_batches`: batches in, the same with its outputs out. It knows no Ray.

Ray Data makes one in each of its workers, gives it batch after batch, and does the scaling; the
graph runs inside that worker. A row that fails has nulls and an error, and the batch goes on.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from studio.dataset.item_result import ItemResult
from studio.dataset.map import ItemFinished
from studio.dataset.run import DatasetRun
from studio.dataset.sources import Row, Rows
from studio.executors.shipping import sealed, unsealed
from studio.language.plan import Plan
from studio.node.node import Node
from studio.values import KINDS, JsonKind, PortType
from studio.values.digest import of_bytes, of_file

__all__ = ["Udf", "udf_of"]


class Mappable(Protocol):
    """What is asked of a graph."""

    @property
    def plan(self) -> Plan:
        """The graph with its nodes found, wired and typed."""

    def start_map(self, rows: Any, common: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> DatasetRun:
        """A run over rows that has not begun."""


def udf_of(
    graph: Mappable,
    common: Mapping[str, Any],
    options: Mapping[str, Any],
    media: str | Path | None,
    own: Iterable[type[Node]],
) -> type[Udf]:
    """The class for one graph. `options` are those of `start_map`; nodes of the caller's `own` go with their code."""
    folder = Path(media).expanduser().absolute() if media else None
    wire = sealed((graph, dict(common), dict(options), folder), own)
    return type(
        graph.plan.name, (Udf,), {"_wire": wire, "__doc__": f"The graph '{graph.plan.name}', for batches of rows."}
    )


class Udf:
    """Made once in each worker, then called with its batches: dicts of arrays, data frames or Arrow tables."""

    _wire: ClassVar[list[Any]]

    def __init__(self) -> None:
        self._graph, self._common, self._options, self._media = unsealed(self._wire)
        plan: Plan = self._graph.plan
        columns = self._options["columns"]
        free = {name: given.type for name, given in plan.inputs.items() if name not in self._common}
        self._feeds = {columns.get(name, name): type_ for name, type_ in free.items()}
        self._types = {name: plan.output_types[name] for name in self._options["outputs"]}

    def __call__(self, batch: Any) -> Any:
        """The batch with a column for each output, and `error`, which is empty where all went well."""
        found: dict[str, list[Any]] = {name: [] for name in (*self._types, "error")}
        for result in self._results(_Batch(batch, self._feeds)):
            cells = {name: self._cell(result, name) for name in self._types}
            for name, cell in {**cells, "error": result.error}.items():
                found[name].append(cell)
        return _with_columns(batch, found, self._types)

    def _results(self, rows: Rows) -> Iterator[ItemResult]:
        run: DatasetRun = self._graph.start_map(rows, self._common, self._options)
        for event in run.events():
            if isinstance(event, ItemFinished):
                yield ItemResult(event, run.cache, run.again)

    def _cell(self, result: ItemResult, name: str) -> Any:
        return None if result.failures else self._plain(result[name], self._types[name])

    def _plain(self, value: Any, type_: PortType) -> Any:
        """A value as a column holds it: text, numbers, lists and structs of these, or bytes."""
        if value is None:
            return None
        if type_.many:
            return [self._plain(item, type_.item()) for item in value]
        kind = KINDS[type_.kind]
        if type_.kind == "data":
            return kind.encode(value).decode()  # type: ignore[union-attr]  # JSON: it may look another way in each row
        if isinstance(kind, JsonKind):
            return kind.dump(value)
        if type_.kind == "vector":
            return value.array.tolist()
        encoded = kind.encode(value)
        if self._media is not None:
            return _saved(value, encoded, kind.suffix, self._media)
        return encoded.read_bytes() if isinstance(encoded, Path) else encoded


class _Batch(Rows):
    """A batch as rows, of the columns that feed the graph."""

    def __init__(self, batch: Any, feeds: Mapping[str, PortType]) -> None:
        self.name, self.folder = "the batch", Path()
        self._cells, self._feeds = _columns(batch), feeds
        self.columns = tuple(self._cells)

    def __iter__(self) -> Iterator[Row]:
        fed = {name: type_ for name, type_ in self._feeds.items() if name in self._cells}
        for index in range(self.count()):
            yield Row("this row", {name: _given(self._cells[name][index], type_) for name, type_ in fed.items()})

    def count(self) -> int:
        return len(next(iter(self._cells.values()))) if self._cells else 0


def _columns(batch: Any) -> dict[str, Any]:
    """The columns of a batch, each of which has cells by index."""
    if isinstance(batch, Mapping):
        return dict(batch)
    if hasattr(batch, "column_names"):  # of Arrow
        return {name: batch.column(name).to_pylist() for name in batch.column_names}
    missing = batch.isna()
    return {str(name): batch[name].astype(object).where(~missing[name], None).tolist() for name in batch.columns}


def _given(cell: Any, type_: PortType) -> Any:
    """A cell as an input takes it: arrays stay what they are only where they are sound, pictures or vectors."""
    is_array = bool(getattr(cell, "shape", ()))  # a number of an array has a shape, too: none
    if type_.many and (is_array or isinstance(cell, list | tuple)):
        return [_given(item, type_.item()) for item in cell]
    if is_array and type_.kind in ("audio", "image", "vector"):
        return cell
    cell = _python(cell)
    return None if isinstance(cell, float) and math.isnan(cell) else cell  # how arrays of numbers say: nothing here


def _python(cell: Any) -> Any:
    """The same in Python's own types."""
    cell = cell.tolist() if hasattr(cell, "tolist") else cell
    if isinstance(cell, dict):
        return {name: _python(value) for name, value in cell.items()}
    return [_python(value) for value in cell] if isinstance(cell, list | tuple) else cell


def _with_columns(batch: Any, found: Mapping[str, list[Any]], types: Mapping[str, PortType]) -> Any:
    """The batch in its own form, with these columns in place of what it has of their names."""
    if isinstance(batch, Mapping):
        return {**batch, **{name: _array(cells) for name, cells in found.items()}}
    if not hasattr(batch, "column_names"):
        return batch.assign(**{name: _array(cells) for name, cells in found.items()})
    import pyarrow as pa

    kept = batch.drop_columns([name for name in found if name in batch.column_names])
    for name, cells in found.items():
        kept = kept.append_column(name, pa.array(cells, _arrow(pa, types.get(name), cells)))
    return kept


def _arrow(pa: Any, type_: PortType | None, cells: list[Any]) -> Any:
    """The type of a column, where it can be told before its cells: those may all be null."""
    if type_ is not None and type_.many:
        inner = _arrow(pa, type_.item(), [item for cell in cells for item in cell or ()])
        return pa.list_(inner) if inner else None
    if type_ is None or type_.kind in ("text", "data"):
        return pa.string()
    if type_.kind == "bool":
        return pa.bool_()
    return pa.binary() if any(isinstance(cell, bytes) for cell in cells) else None


def _array(cells: list[Any]) -> Any:
    """An array of objects: one of fixed width would give all texts the room of the longest."""
    import numpy as np

    array = np.empty(len(cells), dtype=object)
    for index, cell in enumerate(cells):
        array[index] = cell
    return array


def _saved(value: Any, encoded: bytes | Path, suffix: str, folder: Path) -> str:
    """The path of a value's file, which is named by its content: workers never meet over a name."""
    digest = of_file(encoded) if isinstance(encoded, Path) else of_bytes(encoded)
    ending = (encoded.suffix if isinstance(encoded, Path) else "") or suffix
    path = folder / f"{digest[:32]}{ending}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        value.save(folder / f".{uuid.uuid4().hex}{ending}").replace(path)
    return str(path)
