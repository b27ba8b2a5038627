"""Columns: which column of a data set goes to which input of a graph. What cannot be is said before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from studio.dataset.sources import Media, Rows
from studio.errors import UsageError, did_you_mean
from studio.language.plan import GraphInput, Plan
from studio.run.subplan import Subplan
from studio.values import KINDS

__all__ = ["check_id", "check_over_all", "feeds_of", "media_of"]


def media_of(plan: Plan, common: Mapping[str, Any]) -> Media | None:
    """The suffixes of files that may feed a graph, by kind; None where any file may."""
    kinds = {given.type.kind for name, given in plan.inputs.items() if name not in common}
    return None if "file" in kinds else {kind: KINDS[kind].suffixes for kind in kinds if KINDS[kind].suffixes}


def feeds_of(subplan: Subplan, rows: Rows, common: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, str]:
    """The column that feeds each input; UsageError says what is fed by nothing, or twice."""
    inputs = {name: subplan.plan.inputs[name] for name in subplan.inputs}
    for name in columns:
        if name not in subplan.plan.inputs:
            raise UsageError(f"there is no input '{name}'. {did_you_mean(name, inputs)} Inputs: {', '.join(inputs)}")
        if name in common:
            raise UsageError(f"the input '{name}' is given for all items, and by the column '{columns[name]}'")
    free = {name: given for name, given in inputs.items() if name not in common}
    if rows.is_media:
        return {name: columns[name] for name in free if name in columns} | _fed_by_file(free, rows, columns)
    feeds = {name: columns.get(name, name) for name in free}
    if rows.columns:
        _must_be_there(feeds, free, rows)
    return feeds


def check_over_all(
    subplan: Subplan,
    common: Mapping[str, Any],
    columns: Mapping[str, str],
    feeds: Mapping[str, str],
    known: Collection[str],
) -> None:
    """What a step over all rows reads as one value cannot be another for each row."""
    for id, step in subplan.steps.items():
        edges = [edge for edge in step.all_edges if edge.form != "rows"]
        for name in {source.name for edge in edges for source in subplan.plan.origins(edge) if not source.port}:
            given = subplan.plan.inputs.get(name)
            if given is None or name in common:
                continue
            by_row = columns.get(name, name) in known if known else name in feeds
            if given.required or name in columns or by_row:
                raise UsageError(f"'{id}' runs once over all rows, and reads '{name}': give {name}=VALUE for all rows")


def _must_be_there(feeds: Mapping[str, str], free: Mapping[str, GraphInput], rows: Rows) -> None:
    """Where the columns are known, one that is needed and not there is said at once, and not for every row.

    So it is where none feeds anything: then nothing of the data would be used.
    """
    for name, column in feeds.items():
        if column not in rows.columns and (free[name].required or column != name):
            hint = did_you_mean(column, rows.columns) or f"Columns: {', '.join(rows.columns)}."
            way = f"Give --input {name}=COLUMN, or {name}=VALUE for all items"
            raise UsageError(f"'{rows.name}' has no column '{column}' for the input '{name}'. {hint} {way}")
    if free and not {*feeds.values()} & {*rows.columns}:
        raise UsageError(
            f"no column of '{rows.name}' feeds an input. Columns: {', '.join(rows.columns)}. "
            f"Inputs: {', '.join(free)}. Give --input {next(iter(free))}=COLUMN"
        )


def check_id(rows: Rows, column: str) -> None:
    """Where the columns are known, that of the ids must be one."""
    if column and rows.columns and column not in rows.columns:
        hint = did_you_mean(column, rows.columns) or f"Columns: {', '.join(rows.columns)}."
        raise UsageError(f"'{rows.name}' has no column '{column}' to tell items apart by. {hint}")


def _fed_by_file(free: Mapping[str, GraphInput], rows: Rows, columns: Mapping[str, str]) -> dict[str, str]:
    """The input that the files go to."""
    if "file" in columns.values():
        return {}
    kind = getattr(rows, "kind", "file")
    able = [name for name, given in free.items() if name not in columns and not given.type.many and _takes(given, kind)]
    needed = [name for name in able if free[name].required] or able
    if len(needed) != 1:
        told = f"{' or '.join(needed)}: say which, with --input {needed[0]}=file" if needed else "no input"
        raise UsageError(f"the files of '{rows.name}' ({kind}) could feed {told}")
    return {needed[0]: "file"}


def _takes(given: GraphInput, kind: str) -> bool:
    return given.type.kind in (kind, "file") or (kind == "file" and KINDS[given.type.kind].from_path)
