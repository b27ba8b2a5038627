"""Wire: work and outcomes as plain lists, the form in which they cross from process to process.

Ray sends lists, text, numbers and bytes as they are, and objects by pickling them, which costs more
than all the rest of a small task. What a live value becomes on the way, the caller says.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.store import Artifact, Store
from studio.worker import Done, Failed, Outcome, Work

__all__ = ["Wire", "artifact_from", "outcome_from", "outcome_to", "work_from", "work_to"]

Wire = list[Any]
Exchange = Callable[[Any], Any]


def work_to(work: Work, live: Exchange) -> Wire:
    """Work, with `live` applied to whatever stands for a live value."""
    inputs = {name: _artifact_to(artifact, live) for name, artifact in work.inputs.items()}
    return [inputs, str(work.store.folder) if work.store else None, work.keep]


def work_from(wire: Wire, artifact: Callable[[Wire], Artifact], store: Callable[[Path], Store]) -> Work:
    """The work back, each input by `artifact`."""
    inputs, folder, keep = wire
    return Work({name: artifact(sent) for name, sent in inputs.items()}, store(Path(folder)) if folder else None, keep)


def outcome_to(outcome: Outcome) -> Wire:
    """An outcome; its live values are already told by their index."""
    if isinstance(outcome, Failed):
        return [False, *vars(outcome).values()]
    outputs = {name: _artifact_to(artifact, lambda index: index) for name, artifact in outcome.outputs.items()}
    took = [outcome.seconds, dict(outcome.spans)]
    return [True, outputs, *took, outcome.log, outcome.unkept, outcome.began, outcome.batch]


def outcome_from(wire: Wire, live: Exchange, worker: int = -1) -> Outcome:
    """The outcome back, with `live` applied to the index of each live value, and the worker that it comes from."""
    if not wire[0]:
        return Failed(*wire[1:])
    outputs, seconds, spans, log, unkept, began, batch = wire[1:]
    made = {name: artifact_from(sent, live) for name, sent in outputs.items()}
    return Done(made, seconds, spans, log, unkept, began, worker, batch)


def artifact_from(wire: Wire, live: Exchange) -> Artifact:
    """One artifact back."""
    kind, digest, size, inline, items, stored, told = wire
    if items is None and told is None:
        return Artifact(*wire)
    inner = None if items is None else tuple(artifact_from(item, live) for item in items)
    return Artifact(kind, digest, size, inline, inner, stored, None if told is None else live(told))


def _artifact_to(artifact: Artifact, live: Exchange) -> Wire:
    items = None if artifact.items is None else [_artifact_to(item, live) for item in artifact.items]
    told = None if artifact.live is None else live(artifact.live)
    return [artifact.kind, artifact.digest, artifact.size, artifact.inline, items, artifact.stored, told]
