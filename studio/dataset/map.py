"""Map: one execution of one plan for each item of a data set, many at a time. It knows no file and no folder.

Items flow through all steps side by side, inside a bounded window: when one is over, the next is
taken in. What waits for the same kind of worker is handed over together, so that a node which
computes batches finds them. An item that fails is a result like any other.
"""

from __future__ import annotations

import contextlib
import gc
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, repeat

from studio.cache.cache import Cache
from studio.dataset.chunk_execution import ChunkExecution, MemoryInFlight
from studio.dataset.item_listener import ItemListener
from studio.dataset.items import Item
from studio.dataset.notes import Notes
from studio.dataset.step_stats import RunStats
from studio.errors import InputError
from studio.executors.base import Executor
from studio.run.engine import Engine
from studio.run.events import Event
from studio.run.execution import Progress
from studio.run.provisioning import Found, Provisioning
from studio.run.recipes import batch_of
from studio.run.subplan import Subplan
from studio.values.artifact import ABSENT, Artifact

__all__ = ["ItemFinished", "Map"]

_MOST_BYTES = 1 << 30  # of values that items on their way hold; Ray's object store is rarely smaller than twice that
_YOUNG = 50_000  # objects after which circles are looked for
_AT_ONCE = 32  # items taken in before others are looked after
_CHUNK_ITEMS = 256  # items that go together, at most
_FEWEST = 4  # that it is worth it for
_WARM_UP = 64  # items that go ahead, to see how long it takes
_MOST_TOGETHER_BYTES = 128 << 20  # bytes that the values of items that go together take in memory, at most
_TIME_SLICE = 0.2  # seconds that a step of all of them may take: others wait for as long


@dataclass(frozen=True)
class ItemFinished(Event):
    """An item is over: its outputs that there are, and what failed, by step (of the row itself: by no step)."""

    item: Item
    outputs: Mapping[str, Artifact]
    failures: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0  # that its steps computed
    trace: str = ""
    gathered: tuple[Artifact, ...] = ()  # what is wanted of all items, absent where it is not there


class Map:
    """Iterate `events()` to make it happen: it tells of every item when that is over, and of what went wrong around."""

    def __init__(
        self,
        subplan: Subplan,
        items: Iterable[Item],
        stats: RunStats,
        notes: Notes,
        *,
        cache: Cache | None,
        executor: Callable[[], Executor],
        inline: Callable[[], Executor],
        refresh: frozenset[str] = frozenset(),
        window: int = 1024,
        ordered: bool = True,
        beat: Callable[[], None] = lambda: None,
        found: Found | None = None,
    ) -> None:
        """At most `window` items are on their way at a time, or held back because one before them is not over."""
        self._items, self._gathers = iter(items), subplan.rows
        self._subplan = subplan
        self._window, self._ordered, self._beat = window, ordered, beat
        self._news: deque[Event] = deque()
        self._engine = Engine(
            subplan,
            cache=cache,
            provisioning=Provisioning(subplan, cache, executor, inline, found or Found()),
            refresh=refresh,
            tell=self._news.append,
            many=True,
        )
        self._stats, self._notes = stats, notes
        self._memory = MemoryInFlight()
        self._over: deque[ItemListener] = deque()  # items whose end is to be told
        self._arrived: deque[ChunkExecution] = deque()  # chunks whose end is to be told
        self._held: dict[int, ItemFinished] = {}  # what is over before its turn
        self._taken = self._told = 0  # items
        self._exhausted = False

    def events(self) -> Iterator[Event]:
        """Runs, and tells. Closing the iterator, or `cancel`, stops everything that is on its way."""
        with _collecting_less():
            yield from self._events()

    def _events(self) -> Iterator[Event]:
        engine = self._engine
        try:
            while not self._exhausted or self._told < self._taken or engine.busy:
                if engine.busy:
                    engine.turn()
                elif self._may_take:
                    self._take_in()
                else:
                    engine.turn()
                self._beat()
                yield from self._notes.events()
                while self._arrived:
                    self._part(self._arrived.popleft())
                while self._over:
                    self._finish(self._over.popleft())
                while self._news:
                    yield self._news.popleft()
            engine.settle()
            yield from self._news
        finally:
            engine.let_go()

    def cancel(self) -> None:
        """Stops it, from any thread; its iterator raises Cancelled."""
        self._engine.cancel()

    @property
    def _may_take(self) -> bool:
        """Whether there is room for more: in the window, and in memory, unless nothing is on its way."""
        under_way = self._taken - self._told
        if self._exhausted or not under_way:
            return not self._exhausted
        return self._room >= (self._together or 1) and self._memory.bytes < _MOST_BYTES

    @property
    def _room(self) -> int:
        """How many more items may be on their way: few, until it is known how long steps take that many may share."""
        unknown = self._subplan.uniform and self._stats.pace == math.inf
        return (min(self._window, _WARM_UP) if unknown else self._window) - (self._taken - self._told)

    @property
    def _together(self) -> int:
        """How many items go together: more, the quicker all steps are. None where items may go different ways."""
        if not self._subplan.uniform:
            return 0
        quick, light = (
            int(_TIME_SLICE / max(self._stats.pace, 1e-6)),
            int(_MOST_TOGETHER_BYTES / max(self._memory.each, 1)),
        )
        size = min(_CHUNK_ITEMS, self._window // 3, quick, light)
        return size - size % self._batch if size >= max(_FEWEST, self._batch) else 0

    @cached_property
    def _batch(self) -> int:
        """The largest batch that a step computes."""
        return max(map(batch_of, self._subplan.steps.values()), default=1)

    def _take_in(self) -> None:
        together = self._together
        taken = list(islice(self._items, together or max(1, min(_AT_ONCE, self._room))))
        self._exhausted = not taken
        numbered = list(enumerate(taken, self._taken))
        self._taken += len(taken)
        fit: list[tuple[int, Item]] = []
        for number, item in numbered:
            placed = together and _is_placed(item)
            if item.inputs is not None and item.inputs.own_notes:  # it was opened for that
                self._notes.add(item, item.inputs.own_notes)
            if placed:
                fit.append((number, item))
            else:
                self._begin(number, item)
        self._set_out(fit)

    def _set_out(self, items: list[tuple[int, Item]]) -> None:
        """Has items go together."""
        if items:
            engine = self._engine
            heard = (self._stats, self._notes, self._memory, self._arrived.append)
            ChunkExecution(self._subplan, items, engine.due, *heard).advance()

    def _begin(self, number: int, item: Item, progress: Progress | None = None) -> None:
        """Has an item go by itself, perhaps from where others left it behind."""
        if item.inputs is None:
            gathered = tuple([item.sound.get(source.name, ABSENT) for source in self._gathers])
            self._tell(number, ItemFinished(item, {}, {"": item.error}, gathered=gathered))
            return
        listener = ItemListener(item, number, self._stats, self._notes, self._memory, self._over)
        execution = self._engine.new_execution(item.inputs, listener)
        failed = list(execution.resume(progress)) if progress else []
        execution.advance()
        for action, outcome in failed:
            if execution.goes_on(action):
                self._engine.judge(action, outcome)

    def _part(self, chunk_execution: ChunkExecution) -> None:
        """Items that went together have arrived, each with what is its own; those left behind go on."""
        together = chunk_execution.together
        ends = chunk_execution.scheduler.outputs() if together else {}
        found = [chunk_execution.scheduler.value_of(source) for source in self._gathers] if together else []
        outputs = zip(*map(chunk_execution.rows, ends.values()), strict=True) if ends else repeat((), len(together))
        gathered = (
            zip(*(chunk_execution.rows(value or ABSENT) for value in found), strict=True) if found else repeat(())
        )
        for row, own, values in zip(together, outputs, gathered, strict=False):
            number, item = chunk_execution.items[row]
            seconds, made = round(chunk_execution.seconds[row], 6), dict(zip(ends, own, strict=True))
            self._tell(number, ItemFinished(item, made, seconds=seconds, gathered=values))
        for number, item, progress in chunk_execution.progress():
            self._begin(number, item, progress)
        chunk_execution.release()

    def _finish(self, ended: ItemListener) -> None:
        """An item that went by itself is over."""
        execution, failures, outputs = ended.execution, ended.failures, dict[str, Artifact]()
        assert execution is not None
        try:
            outputs = execution.scheduler.outputs()
        except InputError as error:
            failures.setdefault("", f"{ended.item.place}: {error}")
        gathered = tuple([execution.scheduler.value_of(source) or ABSENT for source in self._gathers])
        execution.release()
        ended.execution = None
        ending = (failures, round(ended.seconds, 6), ended.trace, gathered)
        self._tell(ended.number, ItemFinished(ended.item, outputs, *ending))

    def _tell(self, number: int, finished: ItemFinished) -> None:
        """Tells of an item that is over, when its turn has come."""
        if not self._ordered:
            self._told += 1
            self._news.append(finished)
            return
        self._held[number] = finished
        while (following := self._held.pop(self._told, None)) is not None:
            self._told += 1
            self._news.append(following)


@contextlib.contextmanager
def _collecting_less() -> Iterator[None]:
    """Items come and go by the thousand, without circles among what they leave: to look for these takes a fifth."""
    young, *older = gc.get_threshold()
    if not 0 < young < _YOUNG:  # switched off, or another sees to it
        yield
        return
    gc.set_threshold(_YOUNG, *older)
    try:
        yield
    finally:
        gc.set_threshold(young, *older)


def _is_placed(item: Item) -> bool:
    """Whether what an item was given is where workers find it."""
    try:
        if item.inputs is not None:
            item.inputs.place()
    except InputError:
        return False
    return item.inputs is not None
