"""Run: one execution of one plan. The only place where plan, cache, executors and events meet.

The loop owns all state and runs in the thread that iterates `events()`; workers, timers and other
threads only put messages into its queue. So no step is ever handled by two threads, and cancelling
is one more message.
"""

from __future__ import annotations

import os
import queue
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from studio.cache import Cache, Parts, Record
from studio.digest import FileDigests, Uncacheable
from studio.errors import Cancelled, ModelUnavailable
from studio.events import (
    Event,
    RunFinished,
    RunStarted,
    StepCached,
    StepFailed,
    StepFinished,
    StepLoading,
    StepRestarted,
    StepSkipped,
    StepStarted,
    StepWaiting,
    Warned,
)
from studio.executors.base import Executor
from studio.executors.live import Promised
from studio.inputs import Supply
from studio.plan import Plan, Source, Step
from studio.recipe import recipe_of
from studio.store import Artifact
from studio.worker import Done, Failed, Outcome, Recipe, Task, Work

__all__ = ["Run"]

_POLL = 0.05  # seconds between looks at what another process computes


@dataclass
class _Attempt:
    """One step of the run, from the moment its inputs are there."""

    step: Step
    config: BaseModel
    inputs: dict[str, Artifact] = field(default_factory=dict)
    recipe: Recipe | None = None
    parts: Parts | None = None
    key: str = ""
    uncached: str = ""  # why it has no key
    leased: bool = False
    tries: int = 0
    future: Future[Outcome] | None = None
    announced: bool = False  # told as started, before its worker said so
    early: list[tuple[str, Any]] = field(default_factory=list)  # heard before what it needs was done


class Run:
    """One execution of a plan on given inputs. Iterate `events()` to make it happen."""

    def __init__(
        self,
        plan: Plan,
        inputs: Mapping[str, object],
        *,
        cache: Cache | None,
        executor: Callable[[], Executor],
        inline: Callable[[], Executor],
        outputs: set[str] | None = None,
        refresh: frozenset[str] = frozenset(),
    ) -> None:
        self._plan = plan
        self._name = secrets.token_hex(8)  # by which executors tell runs apart
        self._wanted = outputs or set(plan.outputs)
        needed = plan.needed(self._wanted) if plan.outputs else set(plan.steps)
        self._steps = {id: step for id, step in plan.steps.items() if id in needed}
        self.cache = cache
        self._executors = {False: executor, True: inline}
        self._refresh = refresh
        edges = [edge for step in self._steps.values() for edge in step.edges.values()]
        edges += [plan.outputs[name] for name in self._wanted]
        self._supply = Supply(plan, edges, inputs, cache, self._made)
        self._attempts = {id: _Attempt(step, step.config()) for id, step in self._steps.items()}
        self._outputs: dict[str, Mapping[str, Artifact]] = {}
        self._waits_for = {id: set(step.needs) for id, step in self._steps.items()}
        self._followers: dict[str, list[str]] = {id: [] for id in self._steps}
        for id, step in self._steps.items():
            for need in step.needs:
                self._followers[need].append(id)
        self._unrecorded: deque[tuple[_Attempt, Done]] = deque()
        self._quick: set[str] = set()  # steps on their way that will soon be done
        self._ready = deque(id for id, needs in self._waits_for.items() if not needs)
        self._open = set(self._steps)  # steps that have not come to an end
        self._awaited: set[str] = set()  # steps that another run is computing
        self._messages: queue.SimpleQueue[tuple[str, str, Any]] = queue.SimpleQueue()
        self._news: deque[Event] = deque()
        self._admitted = False
        self._keeping = cache is not None
        self._damaged = 0

    def events(self) -> Iterator[Event]:
        """Runs, and tells what happens. Closing the iterator, or `cancel`, stops everything."""
        started = time.perf_counter()
        try:
            yield RunStarted(self._plan.name, tuple(self._steps))
            while self._open or self._unrecorded:
                if self._ready:
                    self._reach(self._ready.popleft())
                elif self._unrecorded:
                    self._record(*self._unrecorded.popleft())
                else:
                    self._listen()
                yield from self._told()
            yield RunFinished(self._given_outputs(), time.perf_counter() - started)
        finally:
            self._let_go()

    def cancel(self) -> None:
        """Stops the run, from any thread; its iterator raises Cancelled."""
        self._messages.put(("cancel", "", None))

    # One step ----------------------------------------------------------------

    def _reach(self, id: str) -> None:
        """A step's inputs are there: is its result known, being made, or to be made?"""
        attempt = self._attempts[id]
        if attempt.future is not None:
            self._catch_up(attempt)
            return
        attempt.inputs = self._supply.inputs_of(attempt.step, admit=False)
        self._set_key(attempt)
        if attempt.key and self._known(attempt):
            return
        if attempt.key and self.cache is not None and not self.cache.leases.take(attempt.key):
            self._awaited.add(id)
            self._news.append(StepWaiting(id, "the same is being computed already"))
            return
        attempt.leased = bool(attempt.key)
        if attempt.leased and self._known(attempt):  # made while the lease was sought
            return
        self._submit(attempt)

    def _made(self, source: Source) -> Artifact:
        """What a step has made, or while it is on its way the promise of it."""
        if source.name in self._outputs:
            return self._outputs[source.name][source.port]
        maker = self._attempts[source.name]
        assert maker.future is not None  # only steps that are on their way are promised
        return Artifact(maker.step.ports.outputs[source.port].type.kind, live=Promised(maker.future, source.port))

    def _set_key(self, attempt: _Attempt) -> None:
        attempt.key = attempt.uncached = ""
        if self.cache is None or attempt.step.cache == "never":
            return
        try:
            if attempt.parts is None:
                attempt.parts = self.cache.parts(attempt.step, attempt.config)
            attempt.parts = self.cache.with_inputs(attempt.parts, attempt.inputs)
            attempt.key = self.cache.key(attempt.parts)
        except (Uncacheable, ModelUnavailable) as error:
            attempt.uncached = str(error)

    def _known(self, attempt: _Attempt) -> bool:
        """Whether the cache knows the outputs; then the step is done."""
        id = attempt.step.id
        if self.cache is None or id in self._refresh or attempt.step.cache == "refresh":
            return False
        record = self.cache.lookup(attempt.key, attempt.step.definition.name)
        self._tell_damage()
        if record is None or record.outputs.keys() != attempt.step.ports.outputs.keys():
            return False
        self.cache.touch(record)
        self._give(attempt)
        self._news.append(StepCached(id, attempt.key, record.outputs, record.seconds))
        self._end(id, record.outputs)
        return True

    def _submit(self, attempt: _Attempt) -> None:
        step = attempt.step
        self._admit()
        executor = self._executors[step.definition.node.inline]()
        attempt.inputs = self._supply.inputs_of(step, admit=True)
        attempt.tries += 1
        store = self.cache.store if self.cache else None
        work = Work(attempt.inputs, store, self._keeping)
        task = Task(step.id, self._recipe(attempt), work, step.timeout, self._name)
        if not self._waits_for[step.id]:
            self._news.append(StepWaiting(step.id))
        attempt.future = executor.submit(task, lambda state, detail: self._messages.put((state, step.id, detail)))
        attempt.future.add_done_callback(lambda future: self._messages.put(("ended", step.id, future)))
        if self.cache is None and executor.quick(task.recipe):
            self._prepare_after(step)

    def _prepare_after(self, step: Step) -> None:
        """Without keys to wait for, what follows a quick step is sent to its worker while that one still runs."""
        self._quick.add(step.id)
        for id in self._followers[step.id]:
            attempt = self._attempts[id]
            inline = attempt.step.definition.node.inline
            if not inline and attempt.future is None and self._waits_for[id] <= self._quick:
                self._ready.append(id)

    def _catch_up(self, attempt: _Attempt) -> None:
        """A step that was sent ahead now has its inputs: what was heard of it meanwhile counts from here."""
        self._news += [StepWaiting(attempt.step.id), StepStarted(attempt.step.id)]
        attempt.announced = True
        heard, attempt.early = [each for each in attempt.early if each[0] != "running"], []
        for what, detail in heard:
            if attempt.step.id in self._open:
                self._heard(what, attempt.step.id, detail)

    def _admit(self) -> None:
        """Before anything runs: can everything that may have to, and is everything given sound?"""
        if self._admitted:
            return
        self._admitted = True
        for id in self._steps:
            attempt = self._attempts[id]
            if id in self._open:
                executor = self._executors[attempt.step.definition.node.inline]()
                executor.require(id, self._recipe(attempt))
        self._supply.admit()
        for id in self._open:
            if not self._attempts[id].step.definition.node.inline:
                self._executors[False]().wake()
                break

    def _recipe(self, attempt: _Attempt) -> Recipe:
        if attempt.recipe is None:
            step = attempt.step
            machine = self._executors[step.definition.node.inline]().machine
            attempt.recipe = recipe_of(step, attempt.config, machine, self._files)
        return attempt.recipe

    @property
    def _files(self) -> FileDigests:
        return self.cache.files if self.cache else FileDigests.of_process()

    # Messages ----------------------------------------------------------------

    def _listen(self) -> None:
        """Waits for one message, or for the time to look at what others compute."""
        try:
            what, id, detail = self._messages.get(timeout=_POLL if self._awaited else None)
        except queue.Empty:
            for id in sorted(self._awaited):
                self._awaited.discard(id)
                self._look_again(id)
            return
        if what == "cancel":
            raise Cancelled("the run was cancelled")
        if id in self._open and self._waits_for[id]:
            self._attempts[id].early.append((what, detail))
        elif id in self._open:
            self._heard(what, id, detail)

    def _heard(self, what: str, id: str, detail: Any) -> None:
        if what == "ended":
            self._ended(self._attempts[id], detail)
        elif what == "loading":
            self._news.append(StepLoading(id))
        elif what == "running" and not self._attempts[id].announced:
            self._news.append(StepStarted(id))
        elif what == "restarting":
            self._attempts[id].announced = False
            self._news.append(StepRestarted(id, f"its worker died: {detail}; starting another"))

    def _look_again(self, id: str) -> None:
        attempt = self._attempts[id]
        assert self.cache is not None
        if self._known(attempt):
            return
        if not self.cache.leases.take(attempt.key):
            self._awaited.add(id)
            return
        attempt.leased = True
        if not self._known(attempt):
            self._submit(attempt)

    def _ended(self, attempt: _Attempt, future: Future[Outcome]) -> None:
        if future.cancelled():
            return
        outcome = future.result()
        if isinstance(outcome, Done):
            self._succeeded(attempt, outcome)
        elif outcome.upstream:
            attempt.future, attempt.tries = None, attempt.tries - 1  # sent ahead of something that was tried again
            self._ready.append(attempt.step.id)
        elif outcome.retryable and attempt.tries <= attempt.step.retries:
            self._news.append(StepRestarted(attempt.step.id, f"{self._clean(outcome.message)}; trying again"))
            self._submit(attempt)
        else:
            self._failed(attempt, outcome)

    def _succeeded(self, attempt: _Attempt, done: Done) -> None:
        if done.unkept and self._keeping:
            self._stop_keeping(done.unkept)
        if attempt.parts is None and attempt.uncached:
            self._set_key(attempt)  # the weights have come meanwhile
        self._unrecorded.append((attempt, done))
        log = self._clean(done.log)
        ending = (done.outputs, done.seconds, done.spans, log, done.began, done.worker)
        self._news.append(StepFinished(attempt.step.id, attempt.key, *ending))
        self._end(attempt.step.id, done.outputs)

    def _record(self, attempt: _Attempt, done: Done) -> None:
        """Puts a result on record: what follows it has been sent on its way before.

        Nobody else computes this key meanwhile: the lease is given back only now. Where leases do not
        hold, the record that was there first stays, and both are right.
        """
        if self.cache and self._keeping and attempt.key and attempt.parts and not done.unkept:
            replace = attempt.step.id in self._refresh or attempt.step.cache == "refresh"
            at_rest = {name: artifact.at_rest() for name, artifact in done.outputs.items()}
            try:
                self.cache.save(Record(attempt.key, attempt.parts, at_rest, done.seconds, time.time()), replace)
            except OSError as error:
                self._stop_keeping(str(error))
        self._give(attempt)

    def _failed(self, attempt: _Attempt, failed: Failed) -> None:
        id = attempt.step.id
        self._give(attempt)
        message, trace, log = map(self._clean, (failed.message, failed.trace, failed.log))
        self._news.append(StepFailed(id, message, trace, failed.exit_code, log))
        self._open.discard(id)
        for other in self._after({id}):
            self._open.discard(other)
            self._news.append(StepSkipped(other, f"step '{id}' failed"))

    def _after(self, ids: set[str]) -> list[str]:
        """The open steps that need any of these, directly or not, in order."""
        reached = set(ids)
        for id, step in self._steps.items():
            if step.needs & reached:
                reached.add(id)
        return [id for id in self._steps if id in reached - ids and id in self._open]

    def _end(self, id: str, outputs: Mapping[str, Artifact]) -> None:
        """A step is done: which ones can go now?"""
        self._outputs[id] = outputs
        self._open.discard(id)
        for other in self._followers[id]:
            self._waits_for[other].discard(id)
            if not self._waits_for[other] and other in self._open:
                self._ready.append(other)

    # Ends --------------------------------------------------------------------

    def _told(self) -> Iterator[Event]:
        while self._news:
            yield self._news.popleft()

    def _given_outputs(self) -> dict[str, Artifact]:
        edges = {name: self._plan.outputs[name] for name in self._plan.outputs if name in self._wanted}
        ready = {
            name: edge
            for name, edge in edges.items()
            if all(s.name in self._outputs or not s.port for s in edge.sources)
        }
        self._supply.admit({source.name for edge in ready.values() for source in edge.sources if not source.port})
        return {name: self._supply.artifact(edge) for name, edge in ready.items()}

    def _give(self, attempt: _Attempt) -> None:
        if attempt.leased and self.cache is not None:
            self.cache.leases.give(attempt.key)
            attempt.leased = False

    def _let_go(self) -> None:
        """Stops what still runs, and gives back every lease; what is done is put on record."""
        while self._unrecorded:
            self._record(*self._unrecorded.popleft())
        for id in self._open:
            attempt = self._attempts[id]
            if attempt.future is not None and not attempt.future.done():
                self._executors[attempt.step.definition.node.inline]().cancel(attempt.future)
        for attempt in self._attempts.values():
            self._give(attempt)

    def _stop_keeping(self, why: str) -> None:
        self._keeping = False
        self._news.append(Warned(f"the cache cannot be written ({why}): the run goes on without keeping results"))

    def _tell_damage(self) -> None:
        assert self.cache is not None
        if self.cache.damaged > self._damaged:
            self._damaged = self.cache.damaged
            self._news.append(Warned("a damaged cache entry was set aside; it is made anew"))

    def _clean(self, text: str) -> str:
        """Text without the secrets that a node may have put into it."""
        for secret in self._secrets if text else ():
            text = text.replace(secret, "***")
        return text

    @cached_property
    def _secrets(self) -> set[str]:
        """The values of the environment variables that the steps name."""
        named = {name for step in self._steps.values() for names in step.variables.values() for name in names}
        return {value for name in named if len(value := os.environ.get(name, "")) >= 4}
