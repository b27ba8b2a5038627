"""Map: one execution of one plan for each item of a data set, many at a time. It knows no file and no folder.

Items flow through all steps side by side, inside a bounded window: when one is over, the next is
taken in. What waits for the same kind of worker is handed over together, so that a node which
computes batches finds them. An item that fails is a result like any other.
"""

from __future__ import annotations

import contextlib
import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from studio.cache import Cache
from studio.engine import Engine
from studio.errors import InputError
from studio.events import Event, StepEvent, StepFailed
from studio.executors.base import Executor
from studio.flow import Course
from studio.items import Item
from studio.passage import Attempt, Passage
from studio.stages import Stages
from studio.store import Artifact
from studio.worker import Done, Failed

__all__ = ["ItemFinished", "Map"]

_MOST_BYTES = 1 << 30  # of values that items on their way hold; Ray's object store is rarely smaller than twice that
_YOUNG = 50_000  # objects after which circles are looked for
_AT_ONCE = 32  # items taken in before others are looked after


@dataclass(frozen=True)
class ItemFinished(Event):
    """An item is over: its outputs that there are, and what failed, by step (of the row itself: by no step)."""

    item: Item
    outputs: Mapping[str, Artifact]
    failures: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0  # that its steps computed
    trace: str = ""
    gathered: tuple[Artifact, ...] = ()  # what is wanted of all items, if all of that is there


class Map:
    """Iterate `events()` to make it happen: it tells of every item when that is over, and of what went wrong around."""

    def __init__(
        self,
        course: Course,
        items: Iterable[Item],
        stages: Stages,
        *,
        cache: Cache | None,
        executor: Callable[[], Executor],
        inline: Callable[[], Executor],
        refresh: frozenset[str] = frozenset(),
        window: int = 256,
        ordered: bool = True,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """At most `window` items are on their way at a time, or held back because one before them is not over."""
        self._items, self._gathers = iter(items), course.rows
        self._window, self._ordered, self._beat = window, ordered, beat
        self._news: deque[Event] = deque()
        self._engine = Engine(
            course, cache=cache, executor=executor, inline=inline, refresh=refresh, tell=self._news.append, many=True
        )
        self._stages = stages
        self._load = _Load()
        self._over: deque[_Journey] = deque()  # journeys whose end is to be told
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
        return not self._exhausted and under_way < self._window and (self._load.bytes < _MOST_BYTES or not under_way)

    def _take_in(self) -> None:
        for _ in range(min(_AT_ONCE, self._window - (self._taken - self._told))):
            item = next(self._items, None)
            if item is None:
                self._exhausted = True
                return
            self._taken += 1
            self._begin(item, self._taken - 1)

    def _begin(self, item: Item, number: int) -> None:
        if item.supply is None:
            self._tell(number, ItemFinished(item, {}, {"": item.error}))
            return
        skipped: list[Event] = []  # before anything ran
        journey = self._engine.passage(item.supply, skipped.append, _Journey)
        assert isinstance(journey, _Journey)
        journey.begin(item, number, self._stages, self._over, self._load, skipped)

    def _finish(self, journey: _Journey) -> None:
        failures, outputs = journey.failures, dict[str, Artifact]()
        try:
            outputs = journey.flow.outputs()
        except InputError as error:
            failures.setdefault("", f"{journey.item.place}: {error}")
        gathered = tuple(value for source in self._gathers if (value := journey.flow.value_of(source)) is not None)
        if len(gathered) < len(self._gathers):
            gathered = ()
        journey.release()
        ending = (failures, round(journey.seconds, 6), journey.trace, gathered)
        self._tell(journey.number, ItemFinished(journey.item, outputs, *ending))

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


@dataclass
class _Load:
    """What all items that are on their way hold in memory, in bytes."""

    bytes: int = 0


class _Journey(Passage):
    """The passage of an item, with what is to be told of it when it is over."""

    item: Item
    number: int

    def begin(
        self,
        item: Item,
        number: int,
        stages: Stages,
        over: deque[_Journey],
        load: _Load,
        skipped: Iterable[Event],
    ) -> None:
        self.item, self.number = item, number
        self._load, self._held = load, 0
        self.failures: dict[str, str] = {}
        self.seconds = 0.0
        self.trace = ""
        self._stages, self._over = stages, over
        self._ended = False
        self.tell = self._hear
        for event in skipped:
            self._hear(event)
        self.advance()

    def advance(self) -> None:
        super().advance()
        if not self.flow.open and not self._ended:
            self._ended = True
            self._load.bytes -= self._held
            self._over.append(self)

    def admit(self) -> None:
        """Opening files is left to the workers; what they make of one that is broken is told here."""
        self.flow.supply.place()

    def failed(self, attempt: Attempt, failed: Failed) -> None:
        try:
            self.flow.supply.admit()
        except InputError as error:
            self.refused(error)
        else:
            super().failed(attempt, failed)

    def refused(self, error: InputError) -> None:
        self.failures[""] = f"{self.item.place}: {error}"
        self.close()
        self.advance()

    # What is counted of every task is counted as it is: events would cost more than all the rest of a small one.

    def waits(self, attempt: Attempt) -> None:
        self._stages.of[attempt.step.id].waiting += 1

    def _tell_found(self, attempt: Attempt, outputs: Mapping[str, Artifact], seconds: float) -> None:
        self._stages.of[attempt.step.id].knew(seconds)

    def _tell_done(self, attempt: Attempt, done: Done) -> None:
        self._stages.of[attempt.step.id].took(done.seconds, done.batch)
        self.seconds += done.seconds
        held = sum(leaf.size for output in done.outputs.values() for leaf in output.leaves if leaf.live is not None)
        self._held += held
        self._load.bytes += held

    def _hear(self, event: Event) -> None:
        assert isinstance(event, StepEvent)
        self._stages.hear(event)
        if isinstance(event, StepFailed) and event.element is None:
            self.failures[event.step] = event.message
            self.trace = event.trace
