"""Messages: work and outcomes as plain lists, the form in which they cross from process to process.

Ray sends lists, text, numbers and bytes as they are, and objects by pickling them, which costs more
than all the rest of a small task. What a live value becomes on the way, the caller says.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.cache.store import Store
from studio.executors.task import ChunkWork, Done, Failed, Outcome, RowOutcomes, Work
from studio.values.artifact import ABSENT, Artifact, Column
from studio.values.measures import Measures

__all__ = ["Message", "artifact_from", "column_from", "outcome_from", "outcome_to", "work_from", "work_to"]

Message = list[Any]
Exchange = Callable[[Any], Any]

_ONE, _CHUNK = "one", "chunk"  # forms of work


def work_to(work: Work, handle: Exchange) -> Message:
    """Work, with `handle` applied to whatever stands for a live value."""
    inputs = {name: _artifact_to(artifact, handle) for name, artifact in work.inputs.items()}
    told = [inputs, str(work.store.folder) if work.store else None, work.keep]
    return [_CHUNK, *told, work.rows, work.together] if isinstance(work, ChunkWork) else [_ONE, *told]


def work_from(message: Message, artifact: Callable[[Message], Artifact], store: Callable[[Path], Store]) -> Work:
    """The work back, each input by `artifact`."""
    tag, inputs, folder, keep, *rows = message
    given = {name: artifact(sent) for name, sent in inputs.items()}
    kept_in = store(Path(folder)) if folder else None
    return ChunkWork(given, kept_in, keep, *rows) if tag == _CHUNK else Work(given, kept_in, keep)


def outcome_to(outcome: Outcome) -> Message:
    """An outcome; its live values are already told by their index."""
    if isinstance(outcome, Failed):
        return [False, *vars(outcome).values()]
    outputs = {name: _artifact_to(artifact, lambda index: index) for name, artifact in outcome.outputs.items()}
    took = outcome.measures
    measures = [took.seconds, dict(took.spans), took.began, took.worker, took.batch, dict(took.numbers)]
    rows = outcome.rows and _rows_to(outcome.rows)
    return [True, outputs, measures, outcome.log, outcome.unkept, rows, outcome.notes]


def outcome_from(message: Message, handle: Exchange, worker: int = -1) -> Outcome:
    """The outcome back, with `handle` applied to the index of each live value, and the worker that it comes from."""
    if not message[0]:
        return Failed(*message[1:])
    outputs, measures, log, unkept, rows, notes = message[1:]
    made = {name: artifact_from(sent, handle) for name, sent in outputs.items()}
    seconds, spans, began, _, batch, numbers = measures
    took = Measures(seconds, spans, began, worker, batch, numbers)
    return Done(made, took, log, unkept, rows and _rows_from(rows), notes)


def artifact_from(message: Message, handle: Exchange) -> Artifact:
    """One artifact back."""
    if message[0] is None:
        return column_from(message, lambda item: artifact_from(item, handle))
    kind, digest, size, inline, items, stored, told, name = message
    if items is None and told is None:
        return Artifact(*message)
    inner = None if items is None else tuple(artifact_from(item, handle) for item in items)
    return Artifact(kind, digest, size, inline, inner, stored, None if told is None else handle(told), name)


def _rows_to(rows: RowOutcomes) -> Message:
    failed = [[row, *outcome_to(failed)] for row, failed in rows.failed.items()]
    counted = list(rows.numbers.items())
    return [rows.seconds, rows.spent, list(rows.batches.items()), failed, counted, list(rows.notes.items())]


def _rows_from(message: Message) -> RowOutcomes:
    seconds, spent, batches, failed, numbers, notes = message
    ended = {row: Failed(*told[1:]) for row, *told in failed}
    return RowOutcomes(seconds, spent, dict(batches), ended, dict(numbers), dict(notes))


def _column_to(column: Column, handle: Exchange) -> Message:
    """What many hold: mostly all of it is small, and then all bytes and all digests go as one list each."""
    items = column.items or ()
    encoded = [item.inline for item in items]
    if None in encoded or any(item.stored for item in items):
        return [None, column.kind, None, [_artifact_to(item, handle) for item in items]]
    return [None, column.kind, encoded, [None if item.kind == ABSENT.kind else item.digest for item in items]]


def column_from(message: Message, artifact: Callable[[Message], Artifact]) -> Column:
    """A column back, what is not small by `artifact`."""
    _, kind, encoded, told = message
    if encoded is None:
        return Column(kind, items=tuple(map(artifact, told)))
    pairs = zip(told, encoded, strict=True)
    items = tuple([ABSENT if digest is None else Artifact(kind, digest, len(text), text) for digest, text in pairs])
    return Column(kind, items=items)


def _artifact_to(artifact: Artifact, handle: Exchange) -> Message:
    if isinstance(artifact, Column):
        return _column_to(artifact, handle)
    items = None if artifact.items is None else [_artifact_to(item, handle) for item in artifact.items]
    told = None if artifact.handle is None else handle(artifact.handle)
    return [artifact.kind, artifact.digest, artifact.size, artifact.inline, items, artifact.stored, told, artifact.name]
