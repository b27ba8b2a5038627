"""Worker: one node, set up once on its share of a machine, running tasks.

The same class works in a thread and in an actor. It knows no graph, no cache and no executor:
inputs come to it as artifacts, outputs leave it as artifacts, and what goes wrong leaves as a
`Failed`, never as an exception.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from studio.cache.packing import Fetch, notes_of, unpack
from studio.errors import StudioError
from studio.executors.generators import Generators
from studio.executors.out_of_memory import give_back, is_shortage
from studio.executors.outputs import Packing, shifted
from studio.executors.task import ChunkWork, Done, Ended, Failed, Noted, Recipe, RowOutcomes, Work
from studio.node.node import MEASURED, Port, Ports, ports_of, seed_of
from studio.values import KINDS, File
from studio.values.artifact import ABSENT, Artifact, Column, Damaged
from studio.values.files import Changed
from studio.values.measures import Measures, added

__all__ = ["Worker"]


_PATIENCE = 1.0  # seconds that the rows of a chunk may take: who is in one was thought to be quick


class BadOutput(Exception):
    """A node returned what it had not declared; the text says what."""


class Worker:
    """One node, set up. Tasks run one at a time."""

    def __init__(self, recipe: Recipe, device: str, threads: int, ports: Ports | None = None) -> None:
        """The ports, if they were read elsewhere: a class that came with its code has left behind what they name."""
        self.recipe = recipe
        self._ports = ports or ports_of(recipe.node)
        self._names = list(self._ports.outputs)
        kinds = {name: KINDS[port.type.kind] for name, port in self._ports.inputs.items()}
        self._reads_files = any(kind.by_path for kind in kinds.values())
        self._decoded = [name for name, kind in kinds.items() if not (kind.plain or kind.by_path)]  # ports of these
        self._node = recipe.node()
        self._node.config, self._node.device, self._node.threads = recipe.config, device, threads
        self._generators = _generators_of(recipe)
        self._turn = self._generators or nullcontext()
        self._set_up()
        self._most: int | None = None  # tasks computed together, since memory ran out with more
        self._most_before: int | None = None  # the same, before the tasks now running

    def run(self, work: Work, fetch: Fetch) -> Ended:
        """The outcome, and the live values that its artifacts refer to by their index."""
        with self._turn:
            if isinstance(work, ChunkWork):
                return self._chunk(work, fetch)
            try:
                return self._alone(work, fetch)
            except Exception as error:
                failed, ran_out = failure(error), is_shortage(error)
            return self._failed(failed, ran_out), []

    def _set_up(self) -> None:
        """Has the node load what it needs; one that draws is alone with the generators, and begins at its seed."""
        with self._turn:
            if self._generators is None:
                self._node.setup()
            else:
                self._generators.begin()
                self._node.setup()
                self._generators.of_setup(self._node)
        run = self._node.run if self._generators is None else self._drawn
        self._run = _watched(run) if self._reads_files else run

    def _drawn(self, **arguments: Any) -> Any:
        """What the node gives, beginning at its seed."""
        assert self._generators is not None
        self._generators.begin()
        return self._node.run(**arguments)

    def _failed(self, failed: Failed, ran_out: bool) -> Failed:
        """A task that failed for itself. What its node counted is not told to the next."""
        vars(self._node).pop(MEASURED, None)
        if not ran_out:
            return failed
        give_back()  # now that the error, and all that it held, is gone
        self._most = self._most_before  # this task was too large, and not the number of those beside it
        head = "out of memory with a batch of one" if self.batches else "out of memory"
        return replace(failed, message=f"{head}: {failed.message}")

    def _chunk(self, work: ChunkWork, fetch: Fetch) -> Ended:
        """The outcomes of all rows as one; those that are left when they have taken too long do not get their turn."""
        began, rows_done = time.time(), _ChunkResult(work.rows)
        if self.batches:
            self._in_batches(work, fetch, rows_done)
        else:
            self._in_turn(work, fetch, rows_done)
        return rows_done.done(self._ports.outputs, began), rows_done.handle

    def _in_turn(self, work: ChunkWork, fetch: Fetch, rows_done: _ChunkResult) -> None:
        """Runs each row for itself; a data set has so many that little may be done for one."""
        clock, run, store = time.perf_counter, self._run, work.store
        columns = [(name, [given.at(row) for row in range(work.rows)]) for name, given in work.inputs.items()]
        packing, counts = Packing(store if work.keep else None, rows_done.handle), vars(self._node)
        ended = clock()
        end = ended + _PATIENCE
        for row in range(work.rows):
            started = ended
            if started > end:
                break
            try:
                arguments = {name: unpack(items[row], fetch, store) for name, items in columns}
                read = clock()
                result = run(**arguments)
                computed = clock()
                outputs = self._packed(self._named(result), packing)
                if MEASURED in counts:
                    rows_done.rows.numbers[row] = self._counted()
                if self._decoded and (notes := self._noted({name: given[row] for name, given in columns}, arguments)):
                    rows_done.rows.notes[row] = notes
            except Exception as error:
                failed, ran_out = failure(error), is_shortage(error)
            else:
                ended = clock()
                rows_done.add(row, outputs, computed - read, ended - started)
                continue
            rows_done.rows.failed[row] = self._failed(failed, ran_out)
            ended = clock()
        rows_done.unkept = packing.unkept

    def _in_batches(self, work: ChunkWork, fetch: Fetch, rows_done: _ChunkResult) -> None:
        """Runs so many rows at a time; what is computed together is alike in size, where there is a choice."""
        works = work.each()
        order: Sequence[int] = range(len(works))
        if len(works) > work.together:
            order = sorted(order, key=lambda row: works[row].size)
        end = time.perf_counter() + _PATIENCE
        for place in range(0, len(works), work.together):
            if time.perf_counter() > end:
                return
            rows = order[place : place + work.together]
            ended = self.run_many([works[row] for row in rows], fetch, work.together)
            for row, (outcome, handle) in zip(rows, ended, strict=True):
                if isinstance(outcome, Failed):
                    rows_done.rows.failed[row] = outcome
                else:
                    outputs = shifted(outcome.outputs, len(rows_done.handle)) if handle else outcome.outputs
                    rows_done.handle += handle
                    rows_done.unkept = rows_done.unkept or outcome.unkept
                    took = outcome.measures
                    rows_done.add(row, outputs, took.seconds, took.spent, took.batch)
                    if took.numbers:
                        rows_done.rows.numbers[row] = dict(took.numbers)
                    if outcome.notes:
                        rows_done.rows.notes[row] = outcome.notes

    def _alone(self, work: Work, fetch: Fetch) -> Ended:
        began, started = time.time(), time.perf_counter()
        arguments = {name: unpack(artifact, fetch, work.store) for name, artifact in work.inputs.items()}
        read = time.perf_counter()
        results = self._named(self._run(**arguments))
        computed = time.perf_counter()
        packing = Packing(work.store if work.keep else None)
        outputs = self._packed(results, packing)
        spans = {"read": read - started, "compute": computed - read, "encode": time.perf_counter() - computed}
        measures = Measures(computed - read, spans, began, numbers=self._counted())
        notes = self._noted(work.inputs, arguments) if self._decoded else {}
        return Done(outputs, measures, unkept=packing.unkept, notes=notes), packing.handle

    def _noted(self, inputs: Mapping[str, Artifact], arguments: Mapping[str, object]) -> Noted:
        """What a person should know of the media that a task is given."""
        ports = [name for name in self._decoded if name in inputs]
        return dict(note for name in ports for note in notes_of(inputs[name], arguments[name]))

    def run_many(self, works: Sequence[Work], fetch: Fetch, batch: int) -> list[Ended]:
        """The outcome of each: so many together where the node knows how, else one after the other."""
        if not self.batches:
            return [self.run(work, fetch) for work in works]
        ended: list[Ended] = []
        self._most_before = self._most
        with self._turn:
            while len(ended) < len(works):
                size = min(batch, self._most or batch)
                ended += self._batch(works[len(ended) : len(ended) + size], fetch)
        return ended

    def _batch(self, works: Sequence[Work], fetch: Fetch) -> list[Ended]:
        """The outcome of each: together, or if that fails one after the other; nothing yet, if it was too large."""
        if len(works) > 1:
            try:
                return self._together(works, fetch)
            except Exception as error:  # one of them, or the batch as such: each for itself will tell
                too_large = is_shortage(error)
                vars(self._node).pop(MEASURED, None)
            if too_large:
                give_back()
                self._most = len(works) // 2
                return []
        return [self.run(work, fetch) for work in works]

    @property
    def batches(self) -> bool:
        """Whether the node computes several tasks together: not where each begins at the seed."""
        seeded = self._generators is not None and self._generators.seeded
        return self._node.run_batch is not None and not seeded

    def _together(self, works: Sequence[Work], fetch: Fetch) -> list[Ended]:
        """One `run_batch` for all; each is told an equal share of the time it took."""
        assert self._node.run_batch is not None
        began, started = time.time(), time.perf_counter()
        arguments = [{name: unpack(a, fetch, work.store) for name, a in work.inputs.items()} for work in works]
        read = time.perf_counter()
        results = (self._ran_batch if self._reads_files else self._node.run_batch)(arguments)
        computed = time.perf_counter()
        if len(results) != len(works):
            raise BadOutput(f"run_batch returned {len(results)} results for {len(works)} tasks")
        size = len(works)
        spans = {"read": (read - started) / size, "compute": (computed - read) / size}
        shares = [Measures(spans["compute"], spans, began, batch=size, numbers=own) for own in self._counted_each(size)]
        notes = map(self._noted, [work.inputs for work in works], arguments)
        return [self._ended(*each, fetch) for each in zip(results, works, shares, notes, strict=True)]

    def _ran_batch(self, arguments: Sequence[Mapping[str, object]]) -> Sequence[object]:
        """The same of a batch. If a file changed, each of its tasks tells for itself."""
        assert self._node.run_batch is not None
        for each in arguments:
            _unchanged(each)
        results = self._node.run_batch(arguments)
        for each in arguments:
            _unchanged(each)
        return results

    def _ended(self, result: object, work: Work, share: Measures, notes: Noted, fetch: Fetch) -> Ended:
        """What became of one task of several. It runs alone, if another has written to the file that it gave."""
        if isinstance(result, Exception):
            return failure(result), []
        encoding = time.perf_counter()
        packing = Packing(work.store if work.keep else None)
        try:
            outputs = self._packed(self._named(result), packing)
        except Exception as error:
            return self.run(work, fetch) if isinstance(error.__cause__, Changed) else (failure(error), [])
        measures = replace(share, spans={**share.spans, "encode": time.perf_counter() - encoding})
        return Done(outputs, measures, unkept=packing.unkept, notes=notes), packing.handle

    def _counted(self) -> dict[str, float]:
        """What the node counted of the task that has just run."""
        return self._counted_each(1)[0]

    def _counted_each(self, size: int) -> list[dict[str, float]]:
        """The same for each task of a batch: a list has a number for each, any other number is shared out."""
        told = vars(self._node).pop(MEASURED, None) or ()
        shares = [{name: _shares(name, number, size) for name, number in numbers.items()} for numbers in told]
        return [
            added(
                {name: each[place] for name, each in numbers.items() if each[place] is not None} for numbers in shares
            )
            for place in range(size)
        ]

    def _named(self, result: object) -> dict[str, object]:
        """What a node returned, by port; an exception in place of a result, as in a batch, is raised."""
        if isinstance(result, Exception):
            raise result
        names = self._names
        if not self._ports.named:
            return {names[0]: result}
        if not isinstance(result, tuple) or len(result) != len(names):
            raise BadOutput(f"run returned a {type(result).__name__}, where {', '.join(names)} were declared")
        return dict(zip(names, result, strict=True))

    def _packed(self, results: Mapping[str, object], packing: Packing) -> dict[str, Artifact]:
        outputs: dict[str, Artifact] = {}
        for name, value in results.items():
            try:
                outputs[name] = packing.of(self._ports.outputs[name].type, value)
            except ValueError as error:
                hint = "; write it first, to a place of its own, then make the value" if type(error) is Changed else ""
                raise BadOutput(f"its output '{name}': {error}{hint}") from error
        return outputs


def _generators_of(recipe: Recipe) -> Generators | None:
    """Those of random numbers, for a node that draws."""
    return Generators(seed_of(recipe.config)) if recipe.node.draws(recipe.config) else None


def _watched(run: Callable[..., Any]) -> Callable[..., Any]:
    """The same, for who is given files: they were the same all the time."""

    def watched(**arguments: object) -> Any:
        _unchanged(arguments)
        try:
            return run(**arguments)
        finally:  # whatever else went wrong, a file that changed explains it
            _unchanged(arguments)

    return watched


def _shares(name: str, number: object, size: int) -> Sequence[object]:
    """What each task of a batch is told of what its node measured."""
    if not isinstance(number, list | tuple):
        return [number] if size == 1 else [added([{name: number}])[name] / size] * size
    if len(number) != size:
        raise ValueError(f"the measure '{name}' has {len(number)} numbers for {size} tasks")
    return number


class _ChunkResult:
    """What became of the rows of a chunk so far."""

    def __init__(self, rows: int) -> None:
        self.rows = RowOutcomes([None] * rows, 0.0, {}, {}, {}, {})
        self.handle: list[object] = []
        self.unkept = ""
        self._outputs: list[Mapping[str, Artifact]] = [{}] * rows

    def add(self, row: int, outputs: Mapping[str, Artifact], seconds: float, spent: float, batch: int = 1) -> None:
        """A row ended well, after so many seconds in the node, and as many with reading and encoding."""
        rows = self.rows
        self._outputs[row] = outputs
        rows.seconds[row] = seconds
        rows.spent += spent
        rows.batches[batch] = rows.batches.get(batch, 0) + 1

    def done(self, ports: Mapping[str, Port], began: float) -> Done:
        """All as one."""
        outputs = {
            name: Column(port.type.kind, items=tuple([row.get(name, ABSENT) for row in self._outputs]))
            for name, port in ports.items()
        }
        measures = Measures(sum(filter(None, self.rows.seconds)), began=began)
        return Done(outputs, measures, unkept=self.unkept, rows=self.rows)


def _unchanged(arguments: Mapping[str, object]) -> None:
    """Changed, if a file that a node was given is not what it was; the text names the input."""
    for name, value in arguments.items():
        try:
            _check(value)
        except Changed as error:
            raise Changed(f"its input '{name}': {error}; nothing may write to it while a step reads it") from None


def _check(value: object) -> None:
    if isinstance(value, File):
        value.check()
    elif isinstance(value, list):
        for item in value:
            _check(item)


def failure(error: Exception) -> Failed:
    """An exception as data: one line for the user, the trace for the author of the node."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, StudioError):
        return Failed(str(error), trace, error.exit_code if error.exit_code == 5 else 1, retryable=False)
    if isinstance(error, BadOutput | Changed):
        return Failed(str(error), trace, retryable=False)
    if isinstance(error, Damaged):
        return Failed(f"what it needs was lost: {error}", trace, lost=True)
    message = str(error).strip() or "no message"
    frame = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
    where = f" ({frame.filename}:{frame.lineno})" if frame and frame.filename != __file__ else ""
    return Failed(f"{type(error).__name__}: {message}{where}", trace)
