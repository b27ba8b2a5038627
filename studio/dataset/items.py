"""Items: rows of a data set as the inputs of a plan. A row that does not fit is an item with an error.

An item is told apart by its id: a column, or else the digest of its content; never its position.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.dataset.sources import Row, Rows
from studio.errors import InputError, did_you_mean
from studio.language.plan import GraphInput
from studio.paths import absolute
from studio.run.given import GivenPlain
from studio.run.inputs import Inputs
from studio.run.subplan import Subplan
from studio.values import KINDS
from studio.values.artifact import Artifact
from studio.values.digest import of_bytes, of_data
from studio.values.words import value_from

__all__ = ["Item", "Items"]

_ID = "id"  # the column of what items are called
_LONGEST_ID = 200  # letters


@dataclass(slots=True)  # see Artifact
class Item:
    """One row of a data set on its way."""

    id: str
    position: int  # in this pass over the data, from 0
    place: str  # for people: "clips.jsonl:37"
    digest: str = ""  # of all that decides its outputs
    inputs: Inputs | None = None  # None if the row does not fit; then the error says why
    error: str = ""
    over: bool = False  # it was over before this run, and is wanted again only for what is made of all items
    sound: Mapping[str, Artifact] = field(default_factory=dict)  # by input, of a row that does not fit: what does


class Items:
    """What a data set gives a graph, item by item, as long as there are rows. It can be passed over only once."""

    def __init__(
        self,
        rows: Rows,
        subplan: Subplan,
        inputs: Inputs,
        feeds: Mapping[str, str],
        *,
        id_column: str = "",
        identity: str = "",
    ) -> None:
        """`inputs` holds what all items share; the others are fed by columns.

        feeds: the column for each input. identity: of the plan, part of every item's digest.
        """
        self._rows, self._subplan, self._inputs = rows, subplan, inputs
        self._feeds, self._id_column, self._identity = feeds, id_column, identity
        self._seen: dict[str, int] = {}  # ids, and how many items would be called so
        self._graph_inputs = subplan.plan.inputs
        self._here = absolute()

    def __iter__(self) -> Iterator[Item]:
        for position, row in enumerate(self._rows):
            yield self._item(position, row)

    def _item(self, position: int, row: Row) -> Item:
        if row.error:
            return self._unfit(row, position, row.error, [row.place])
        try:
            values = {name: self._value(row, name, column) for name, column in self._feeds.items()}
            inputs = self._inputs.of_item({name: value for name, value in values.items() if value is not None})
            digest = inputs.digest(self._identity)
        except InputError as error:
            item = self._unfit(row, position, str(error), _plain(row.values))
            item.sound = dict(self._sound(row))
            return item
        id = self._id(row, lambda: inputs.own_digest or of_data(_plain(values)))
        return Item(id, position, row.place, digest, inputs)

    def _unfit(self, row: Row, position: int, error: str, content: list[Any]) -> Item:
        told = f"{row.place}: {error}"
        digest = of_data([self._identity, told])
        return Item(self._id(row, lambda: of_data(content)), position, row.place, digest, None, told)

    def _sound(self, row: Row) -> Iterator[tuple[str, Artifact]]:
        """What of a row that does not fit is right by itself, and wanted of all rows: so that it can be counted."""
        for name in {source.name for source in self._subplan.rows} & self._feeds.keys():
            kind = self._graph_inputs[name].type.kind
            with contextlib.suppress(InputError):
                value = self._value(row, name, self._feeds[name])
                if value is not None and KINDS[kind].plain and not self._graph_inputs[name].type.many:
                    yield name, GivenPlain(name, kind, value).artifact

    def _id(self, row: Row, content: Callable[[], str]) -> str:
        """The id of a row, or else its content; of several that are called the same, the later ones get a number."""
        column = self._id_column or (_ID if _ID in row.values else "")
        given = row.values.get(column) if column else None
        id = name = content()[:16] if given is None or given == "" else _short(str(given))
        while name in self._seen:
            self._seen[id] += 1
            name = f"{id}#{self._seen[id]}"
        self._seen[name] = 1
        return name

    def _value(self, row: Row, name: str, column: str) -> object:
        given = self._graph_inputs[name]
        raw = row.values.get(column)
        if raw is None:
            if given.required:
                raise InputError(_missing(given, column, row))
            return None
        if row.words and isinstance(raw, str):
            try:
                raw = value_from(raw, given.type)
            except ValueError as error:
                raise InputError(f"column '{column}': {error}") from None
        return _placed(raw, self._rows.folder, self._here) if KINDS[given.type.kind].from_path else raw


def _missing(given: GraphInput, column: str, row: Row) -> str:
    """What to say of a row that lacks a column which the graph needs."""
    columns = [name for name in row.values if isinstance(name, str)]
    meant = "" if column in columns else did_you_mean(column, columns)
    known = meant or f"its columns: {', '.join(columns) or 'none'}"
    return f"the column '{column}' for the input '{given.name}' ({given.type}) is missing or empty; {known}"


def _placed(raw: Any, folder: Path, here: Path) -> Any:
    """Paths in a data set start from its own folder, or else from `here`."""
    if isinstance(raw, list | tuple):
        return [_placed(each, folder, here) for each in raw]
    if not isinstance(raw, str | Path):
        return raw
    path = Path(os.path.expanduser(raw))  # noqa: PTH111 the home of nobody stays as it is written
    beside, is_there = folder / path, os.path.exists
    return here / path if not is_there(beside) and is_there(here / path) else beside


def _short(id: str) -> str:
    """An id that is not too long; what differs, differs still."""
    return (
        id if len(id) <= _LONGEST_ID else f"{id[: _LONGEST_ID - 17]}…{of_bytes(id.encode(errors='surrogatepass'))[:16]}"
    )


def _plain(values: Mapping[str, object]) -> list[list[str]]:
    """What can be told of values that do not fit."""
    return [[name, repr(value)[:1000]] for name, value in sorted(values.items())]
