"""DatasetRun: a run of a graph over a data set, row by row, into a folder. One that was stopped goes on where it was.

Items that are done stay as they are, as long as neither they nor the graph changed; all others go
through a `Map`, and every one that ends becomes a line of the `ResultsFolder`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from typing import Any

from studio.cache.cache import Cache
from studio.cache.file_digests import FileDigests
from studio.dataset.all_rows import AllRows
from studio.dataset.columns import check_id, check_over_all, feeds_of
from studio.dataset.examples import Example, Examples
from studio.dataset.item_line import line_of, output_data
from studio.dataset.item_result import Status
from studio.dataset.items import Item, Items
from studio.dataset.map import ItemFinished, Map
from studio.dataset.notes import Notes
from studio.dataset.options import Options
from studio.dataset.results import ResultsFolder, ResultsWriter
from studio.dataset.sources import Rows
from studio.dataset.step_stats import RunStats
from studio.dataset.summary import Summary
from studio.executors.base import Executor
from studio.language.plan import Plan
from studio.node.source import outdated
from studio.run.again import Again
from studio.run.events import Event, Warned
from studio.run.given import rooted
from studio.run.inputs import Inputs
from studio.run.phases import phases_of
from studio.run.provisioning import Found
from studio.run.recipes import identity_of
from studio.run.result import Result
from studio.run.run import Run
from studio.run.subplan import Subplan

__all__ = ["DatasetRun"]


class DatasetRun:
    """One session. Iterate `events()` to make it happen; without a folder nothing is written."""

    def __init__(
        self,
        plan: Plan,
        rows: Rows,
        common: Mapping[str, Any],
        options: Options,
        *,
        results: ResultsFolder | None,
        cache: Cache | None,
        executor: Callable[[], Executor],
        inline: Callable[[], Executor],
    ) -> None:
        """The common inputs are the same for all items."""
        wanted, common = options.outputs or plan.outputs, rooted(plan.inputs, common)
        subplan, self._over_all = Subplan(plan, wanted, "item"), Subplan(plan, wanted, "dataset")
        files = cache.files if cache else FileDigests.of_process()
        feeds = feeds_of(subplan, rows, common, options.columns)
        check_id(rows, options.id)
        check_over_all(self._over_all, common, options.columns, feeds, rows.columns)
        inputs = Inputs(plan, subplan.edges, common, cache, feeds, files)
        identity = identity_of(plan, subplan.steps.values(), inputs, files)
        self._plan, self._common, self._rows, self._files = plan, common, rows, files
        self._settings: dict[str, Any] = {"cache": cache, "executor": executor, "inline": inline, "found": Found()}
        self.again = Again(plan, "item", **self._settings)
        self._subplan, self._options, self._results, self.cache = subplan, options, results, cache
        self._new_items = partial(Items, rows, subplan, inputs, feeds, id_column=options.id, identity=identity)
        self.stats, self.notes = RunStats(subplan.steps.values()), Notes(inputs.notes)
        self.phase = ""  # which models it is at, where they are taken one after the other
        self._map: Map | None = None  # the one that is going on
        self._cancelled = False
        self.kept = {"done": 0, "failed": 0}  # items that were over before this session
        self.done = self.failed = 0
        self._writer = ResultsWriter(results, options.lines, self.figures)
        self._all_rows = AllRows(plan, self._over_all.steps.values(), self._over_all.rows)
        self.counts, self.left_out = self._all_rows.counts, rows.left_out  # rows by step over all of them; files
        self._outputs: dict[str, Any] = {}
        self.result = Result(None)  # of what is made of all items
        self._examples = Examples()
        self._began = time.monotonic()
        self._ended: float | None = None
        self.complete = False  # whether it came to the end of the data, or of the items that were wanted

    @property
    def total(self) -> int | None:
        """About how many items there are, if that can be told."""
        count, limit = self._count, self._options.limit
        return limit if count is None else min(count, limit or count)

    @cached_property
    def _count(self) -> int | None:
        """About how many rows there are: of a file, that takes reading it once."""
        return self._rows.count()

    @property
    def seconds(self) -> float:
        """How long this session has lasted, until it ended."""
        return (time.monotonic() if self._ended is None else self._ended) - self._began

    def figures(self) -> dict[str, Any]:
        """The session in figures, as plain data to keep."""
        counts = {"done": self.done, "failed": self.failed, "seconds": round(self.seconds, 3)}
        return {**counts, "steps": self.stats.figures()}

    def examples(self, status: Status, most: int) -> list[Example]:
        """Some items that ended in this way, evenly from all over the data."""
        return self._examples.of(status, most, self._results) if self._results is not None else []

    def summary(self) -> Summary:
        """How it stands."""
        folder, totals = (self._results.folder, self._results.totals()) if self._results else (None, None)
        return Summary(
            self._plan.name,
            folder,
            self.done,
            self.failed,
            dict(self.kept),
            self.seconds,
            {id: step_stats.as_data() for id, step_stats in self.stats.of.items()},
            self._outputs,
            dict(self.result.failures),
            totals,
            self.counts,
            self.left_out,
            self.notes.rows,
        )

    def events(self) -> Generator[Event]:
        """Runs, and tells: of each item when it is over and written, and of what went wrong around."""
        try:
            for message in outdated(step.definition.node for step in self._plan.steps.values()):
                yield Warned(message)
            yield from self._session()
        finally:
            self._ended = time.monotonic()
            self._writer.note()

    def _session(self) -> Iterator[Event]:
        if self.left_out.count:
            yield Warned(str(self.left_out))
        *before, _ = phases = self._phases()
        for number, phase in enumerate(before):
            yield from self._phase_first(phase, number, len(phases))
        self.phase = ""
        try:
            counted = self.stats.of_these(self.stats.of.keys() - {id for phase in before for id in phase})
            for event in self._events_of(self._subplan, self._to_do(), counted):
                if isinstance(event, ItemFinished):
                    self._end(event)
                yield event
            self.complete = True
        finally:
            self._writer.write()
        if self._results is not None:
            self._results.settle(complete=self._options.limit is None)
        if self._over_all.steps:
            yield from self._rows_failed_before()
            yield from self._over_all_rows()

    def _over_all_rows(self) -> Iterator[Event]:
        """Runs the steps that run once, over what all rows gave."""
        yield from self._run_over_all()
        if self.result.failures and self._all_rows.lost(self.cache):  # it went while they ran
            yield from self._run_over_all()
        self._outputs = {name: output_data(self.result, name, "dataset", name, self._results) for name in self.result}
        if self._results is not None:
            self._all_rows.save(self._results.folder, self._outputs, self.result.failures, self.left_out)

    def _run_over_all(self) -> Iterator[Event]:
        yield from self._rows_made_again()
        self._all_rows.settle()
        inputs = Inputs(self._plan, self._over_all.edges, self._common, self.cache, rows=self._all_rows.of)
        run = Run(self._over_all, inputs, refresh=self._options.refresh, **self._settings)
        again = partial(replace(self.again, scope="dataset"), inputs.unopened())
        self.result = Result(self.cache.store if self.cache else None, again)
        for event in run.events():
            self.result.hear(event)
            yield event

    def _rows_failed_before(self) -> Iterator[Event]:
        """Takes what rows gave that failed in an earlier session: no step of theirs that failed runs again."""
        for steps, items in self._all_rows.failed_before():
            subplan = Subplan(self._plan, self._options.outputs or self._plan.outputs, "item", steps)
            yield from self._added(self._events_of(subplan, iter(items), self.stats.of_these(())))

    def _rows_made_again(self) -> Iterator[Event]:
        """Has rows make again what of them is not in the cache any more, where the data can be read twice."""
        lost = set[int]() if self._count is None else self._all_rows.lost(self.cache)
        items = (replace(item, over=True) for item in self._new_items() if item.position in lost)
        if lost:
            yield from self._added(self._events_of(self._subplan, items, RunStats(self._subplan.steps.values())))

    def _added(self, events: Iterator[Event]) -> Iterator[Event]:
        """Adds what rows gave to that of all rows; the other events."""
        for event in events:
            if isinstance(event, ItemFinished):
                self._all_rows.add(event.item.position, event.gathered, event.failures)
            else:
                yield event

    def _events_of(self, subplan: Subplan, items: Iterator[Item], stats: RunStats) -> Iterator[Event]:
        options = self._options
        self._map = Map(
            subplan,
            items,
            stats,
            self.notes,
            refresh=options.refresh,
            window=options.window - options.lines + 1,
            ordered=options.ordered,
            beat=self._writer.write_in_time,
            **self._settings,
        )
        if self._cancelled:
            self._map.cancel()
        return self._map.events()

    def _phase_first(self, phase: list[str], number: int, count: int) -> Iterator[Event]:
        """Takes all items through the steps up to these, whose outputs the cache then knows."""
        models = [id for id in phase if not self._subplan.steps[id].definition.node.inline]
        self.phase = f"part {number + 1} of {count}: {', '.join(models)}"
        yield Warned(f"its models do not fit into this machine together: {self.phase} goes first, for all items")
        upto = list(self.stats.of)[: list(self.stats.of).index(phase[-1]) + 1]
        subplan = Subplan(self._plan, self._options.outputs or self._plan.outputs, "item", upto)
        items = islice(self._new_items(), self._options.limit)
        not_over = (item for item in items if item.inputs is not None and not self._is_over(item))
        for event in self._events_of(subplan, not_over, self.stats.of_these(phase)):
            if not isinstance(event, ItemFinished):
                yield event

    def _phases(self) -> list[list[str]]:
        """The steps in phases whose models fit together: taking all items through one after the other loads fewer.

        It needs a cache for what lies between them, and rows that can be read again; and it is worth nothing
        where all items are on their way at the same time.
        """
        if self.cache is None or self._count is None or (self.total or 0) <= self._options.window:
            return [list(self._subplan.steps)]
        return phases_of(self._subplan, self._settings["executor"], self._files)

    def cancel(self) -> None:
        """Stops it, from any thread; its iterator raises Cancelled."""
        self._cancelled = True
        if self._map is not None:
            self._map.cancel()

    def _is_over(self, item: Item) -> str:
        """How an item ended that stays as it is; nothing if it is to be done."""
        entry = self._results.known(item.id) if self._results and not self._results.fresh else None
        if entry is None or not item.digest or entry.digest != item.digest:
            return ""
        return "" if entry.status == "failed" and self._options.retry_failed else entry.status

    def _to_do(self) -> Iterator[Item]:
        """The items that are not over."""
        for item in islice(self._new_items(), self._options.limit):
            if over := self._is_over(item):
                self.kept[over] += 1
                self._writer.met(item.id, item.position)
                self._examples.saw(over, item)
                if self._over_all.rows and over == "done":
                    yield replace(item, over=True)
                elif self._over_all.rows and self._results is not None:
                    self._all_rows.stays_failed(item, self._results.row(item.id) or {})
            else:
                yield item

    def _end(self, finished: ItemFinished) -> None:
        item, failed = finished.item, bool(finished.failures)
        if self._over_all.rows:
            self._all_rows.add(item.position, finished.gathered, finished.failures)
        if item.over:
            return
        if self._results is not None:
            line = line_of(finished, self._results, self.cache, self.again)
            failed = line.status == "failed"
            self._examples.saw(line.status, item)
            self._writer.add(line)
        self.done += not failed
        self.failed += failed
