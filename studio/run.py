"""Run: one execution of one plan. The only place where plan, cache, executors and events meet.

The loop owns all state and runs in the thread that iterates `events()`; workers, timers and other
threads only put messages into its queue. So no step is ever handled by two threads, and cancelling
is one more message.

A step is attempted once, or once per element where it has `each`: an attempt is what has a key, a
lease, a task and a record.
"""

from __future__ import annotations

import os
import queue
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from studio.attempts import Attempt, Elements
from studio.cache import Cache, Record
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
    StepReplaced,
    StepRestarted,
    StepSkipped,
    StepStarted,
    StepWaiting,
    Warned,
)
from studio.executors.base import Executor
from studio.executors.live import Promised
from studio.flow import Consequence, Flow
from studio.plan import Plan, Source, Step
from studio.recipe import recipe_of
from studio.store import ABSENT, Artifact, Damaged
from studio.worker import Done, Failed, Outcome, Recipe, Task, Work

__all__ = ["Run"]

_MOST_LOSSES = 3  # of what one attempt needs, before it fails
_POLL = 0.05  # seconds between looks at what another process computes
_WINDOW = 128  # elements of one step that are on their way at a time


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
        self.cache = cache
        self._executors = {False: executor, True: inline}
        self._refresh = refresh
        self._flow = Flow(plan, outputs or set(plan.outputs), inputs, cache, self._promised)
        self._configs = {id: step.config() for id, step in self._flow.steps.items()}
        self._recipes: dict[str, Recipe] = {}
        self._attempts: dict[str, Attempt] = {}
        self._elements: dict[str, Elements] = {}
        self._failures: dict[str, Failed] = {}  # of steps that something else stands in for
        self._due: deque[Attempt] = deque()  # attempts whose turn has come
        self._unrecorded: deque[tuple[Attempt, Done]] = deque()
        self._prepared: set[str] = set()  # steps whose workers have been asked for
        self._quick: set[str] = set()  # steps on their way that will soon be done
        self._twins: dict[str, list[Attempt]] = {}  # by key, those that wait for the one of them that is on its way
        self._remade: dict[str, Attempt] = {}  # what is made again because it was lost
        self._bereft: list[Attempt] = []  # what waits for that
        self._awaited: dict[str, Attempt] = {}  # what another run is computing
        self._messages: queue.SimpleQueue[tuple[str, str, Any]] = queue.SimpleQueue()
        self._news: deque[Event] = deque()
        self._admitted: set[str] = set()  # steps whose workers are known to fit
        self._keeping = cache is not None
        self._damaged = 0

    def events(self) -> Iterator[Event]:
        """Runs, and tells what happens. Closing the iterator, or `cancel`, stops everything."""
        started = time.perf_counter()
        try:
            yield RunStarted(self._plan.name, tuple(self._flow.steps))
            self._skip(self._flow.first_skipped)
            while self._flow.open or self._unrecorded or self._due:
                if self._due:
                    self._consider(self._due.popleft())
                elif self._flow.ready:
                    self._reach(self._flow.ready.popleft())
                elif self._unrecorded:
                    self._record(*self._unrecorded.popleft())
                else:
                    self._listen()
                yield from self._told()
            yield from self._told()
            yield RunFinished(self._flow.outputs(), time.perf_counter() - started)
        finally:
            self._let_go()

    def cancel(self) -> None:
        """Stops the run, from any thread; its iterator raises Cancelled."""
        self._messages.put(("cancel", "", None))

    # Steps -------------------------------------------------------------------

    def _reach(self, id: str) -> None:
        """What a step waited for is there."""
        if id not in self._flow.open:
            return
        step = self._flow.steps[id]
        if self._flow.fell(id):
            self._replace(step)
        elif id in self._attempts and self._attempts[id].future is not None:
            self._catch_up(self._attempts[id])
        elif self._goes(step):
            self._begin(step)

    def _goes(self, step: Step) -> bool:
        """Whether the conditions of a step hold; if not, it is skipped."""
        if not step.when:
            return True
        try:
            obstacle = self._flow.obstacle(step)
        except (ValueError, Damaged) as error:
            self._step_failed(step, Failed(str(error), retryable=False))
            return False
        if obstacle:
            self._news.append(StepSkipped(step.id, f"its condition does not hold: {obstacle}"))
            self._skip(self._flow.skip(step.id))
        return not obstacle

    def _begin(self, step: Step) -> None:
        inputs = self._flow.supply.inputs_of(step, admit=False)
        if not step.each:
            self._due.append(self._attempt(step, None, inputs))
            return
        try:
            given = self._flow.elements(step, inputs)
        except ValueError as error:
            self._step_failed(step, Failed(str(error), retryable=False))
            return
        self._elements[step.id] = Elements(step, given)
        self._news.append(StepWaiting(step.id))
        self._next_elements(self._elements[step.id])

    def _next_elements(self, elements: Elements) -> None:
        """Takes up elements, as many as may be on their way."""
        while elements.running < _WINDOW and elements.waiting:
            index = elements.waiting.popleft()
            inputs = elements.given[index]
            if any(inputs[name].absent and elements.step.requires(name) for name in elements.step.each):
                elements.made[index] = dict.fromkeys(elements.step.outputs, ABSENT)
            else:
                elements.running += 1
                self._due.append(self._attempt(elements.step, index, inputs))
        if elements.ended:
            self._elements_ended(elements)

    def _attempt(self, step: Step, element: int | None, inputs: dict[str, Artifact]) -> Attempt:
        attempt = Attempt(step, self._config(step), element, inputs)
        self._attempts[attempt.id] = attempt
        return attempt

    def _elements_ended(self, elements: Elements) -> None:
        step = elements.step
        if elements.failed:
            self._step_failed(step, elements.failure())
            return
        outputs = elements.outputs()
        if elements.cached == len(elements.given):
            self._news.append(StepCached(step.id, "", outputs, elements.saved))
        else:
            self._news.append(StepFinished(step.id, "", outputs, elements.seconds))
        self._skip(self._flow.end(step.id, outputs))

    def _step_failed(self, step: Step, failed: Failed) -> None:
        """A step has failed: what does its graph say to that?"""
        message, trace, log = map(self._clean, (failed.message, failed.trace, failed.log))
        if step.on_error == "skip":
            self._news.append(StepReplaced(step.id, message, trace, log, {}))
            self._skip(self._flow.skip(step.id))
        elif step.on_error == "use":
            self._failures[step.id] = failed
            self._skip(self._flow.fall(step.id))
        else:
            self._news.append(StepFailed(step.id, message, trace, failed.exit_code, log))
            self._skip(self._flow.lose(step.id))

    def _replace(self, step: Step) -> None:
        """What was to stand in for the outputs of a failed step has come to an end."""
        failed, outputs = self._failures[step.id], self._flow.instead(step.id)
        message, trace, log = map(self._clean, (failed.message, failed.trace, failed.log))
        if outputs is None:
            self._news.append(StepFailed(step.id, message, trace, failed.exit_code, log))
            self._skip(self._flow.lose(step.id))
        else:
            self._news.append(StepReplaced(step.id, message, trace, log, outputs))
            self._skip(self._flow.end(step.id, outputs))

    def _skip(self, consequences: list[Consequence]) -> None:
        self._news += [StepSkipped(id, reason) for id, reason in consequences]

    # Attempts ----------------------------------------------------------------

    def _consider(self, attempt: Attempt) -> None:
        """Is the result known, being made, or to be made?"""
        if attempt.step.id not in self._flow.open:
            return
        self._set_key(attempt)
        if attempt.key and self._known(attempt):
            return
        if attempt.key in self._twins:
            self._twins[attempt.key].append(attempt)
            return
        if attempt.key and self.cache is not None and not self.cache.leases.take(attempt.key):
            self._awaited[attempt.id] = attempt
            reason = "the same is being computed already"
            self._news.append(StepWaiting(attempt.step.id, reason, element=attempt.element))
            return
        attempt.leased = bool(attempt.key)
        if attempt.leased and self._known(attempt):  # made while the lease was sought
            return
        self._submit(attempt)

    def _promised(self, source: Source) -> Artifact:
        """The promise of what a step is on its way to make."""
        maker = self._attempts[source.name]
        assert maker.future is not None  # only steps that are on their way are promised
        return Artifact(maker.step.outputs[source.port].kind, live=Promised(maker.future, source.port))

    def _set_key(self, attempt: Attempt) -> None:
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

    def _known(self, attempt: Attempt) -> bool:
        """Whether the cache knows the outputs; then the attempt is done."""
        if self.cache is None or self._refreshes(attempt.step):
            return False
        record = self.cache.lookup(attempt.key, attempt.step.definition.name)
        self._tell_damage()
        if record is None or record.outputs.keys() != attempt.step.outputs.keys():
            return False
        self.cache.touch(record)
        self._give(attempt)
        cached = StepCached(attempt.step.id, attempt.key, record.outputs, record.seconds, element=attempt.element)
        self._news.append(cached)
        self._end(attempt, record.outputs, record.seconds, cached=True)
        return True

    def _refreshes(self, step: Step) -> bool:
        return step.id in self._refresh or step.cache == "refresh"

    def _submit(self, attempt: Attempt) -> None:
        step = attempt.step
        self._admit()
        executor = self._executor(step)
        attempt.inputs = self._admitted_inputs(attempt)
        attempt.tries += 1
        if attempt.key:
            self._twins.setdefault(attempt.key, [])
        store = self.cache.store if self.cache else None
        work = Work(attempt.inputs, store, self._keeping)
        task = Task(attempt.id, self._recipe(step), work, step.timeout, self._name)
        if not self._is_ahead(attempt):
            self._news.append(StepWaiting(step.id, element=attempt.element))
        attempt.future = executor.submit(task, lambda state, detail: self._messages.put((state, attempt.id, detail)))
        attempt.future.add_done_callback(lambda future: self._messages.put(("ended", attempt.id, future)))
        if self.cache is None and attempt.element is None and executor.quick(task.recipe):
            self._prepare_after(step)

    def _prepare_workers(self, id: str) -> None:
        """While a step runs, workers for what will follow it are set up, where there is room."""
        pending = deque(self._flow.followers[id])
        while pending:
            follower = pending.popleft()
            if follower not in self._flow.open or follower in self._prepared or not self._will_run(follower):
                continue
            self._prepared.add(follower)
            step = self._flow.steps[follower]
            if not step.definition.node.inline:
                self._executor(step).prepare(self._recipe(step))
            pending.extend(self._flow.followers[follower])

    def _will_run(self, id: str) -> bool:
        """Whether nothing but a failure or the cache can keep a step from running."""
        step = self._flow.steps[id]
        sources = [source for edge in step.edges.values() for source in edge.sources]
        return not step.when and not any(self._may_be_absent(source) for source in sources)

    def _admitted_inputs(self, attempt: Attempt) -> dict[str, Artifact]:
        """The inputs, as a worker can take them."""
        inputs = self._flow.supply.inputs_of
        if attempt.element is None:
            return inputs(attempt.step, admit=True)
        elements = self._elements[attempt.step.id]
        if not elements.admitted:  # once for all of them
            elements.admitted = self._flow.elements(attempt.step, inputs(attempt.step, admit=True))
        return elements.admitted[attempt.element]

    def _is_ahead(self, attempt: Attempt) -> bool:
        """Whether it was sent on its way before what it needs is done."""
        return attempt.element is None and bool(self._flow.waits_for[attempt.step.id])

    def _prepare_after(self, step: Step) -> None:
        """Without keys to wait for, what follows a quick step is sent to its worker while that one still runs."""
        self._quick.add(step.id)
        for id in self._flow.followers[step.id]:
            if id in self._flow.open and id not in self._attempts and self._can_go_ahead(self._flow.steps[id]):
                follower = self._flow.steps[id]
                inputs = self._flow.supply.inputs_of(follower, admit=False)
                self._due.append(self._attempt(follower, None, inputs))

    def _can_go_ahead(self, step: Step) -> bool:
        """Whether nothing but the values of quick steps is missing, and nothing depends on what these are."""
        plain = not (step.each or step.when or step.definition.node.inline)
        plain = plain and not any(self._flow.steps[need].each for need in self._flow.waits_for[step.id])
        edges = list(step.edges.values())
        certain = all(
            edge.form != "first" and not self._may_be_absent(source) for edge in edges for source in edge.sources
        )
        return plain and certain and self._flow.waits_for[step.id] <= self._quick

    def _may_be_absent(self, source: Source) -> bool:
        if not source.port:
            return source.name in self._plan.relays
        step = self._flow.steps[source.name]
        return step.outputs[source.port].optional or step.on_error != "fail" or source.name in self._flow.lost

    def _catch_up(self, attempt: Attempt) -> None:
        """A step that was sent ahead now has its inputs: what was heard of it meanwhile counts from here."""
        self._news += [StepWaiting(attempt.step.id), StepStarted(attempt.step.id)]
        attempt.announced = True
        heard, attempt.early = [each for each in attempt.early if each[0] != "running"], []
        for what, detail in heard:
            if not attempt.ended:
                self._heard(what, attempt, detail)

    def _admit(self) -> None:
        """Before anything runs: can everything that may have to, and is everything given sound?"""
        if self._admitted >= self._flow.open:
            return
        fresh = [id for id in self._flow.steps if id in self._flow.open - self._admitted]
        for id in fresh:
            self._executor(self._flow.steps[id]).require(id, self._recipe(self._flow.steps[id]))
        if not self._admitted:
            self._flow.supply.admit()
        self._admitted |= set(fresh)
        if not all(self._flow.steps[id].definition.node.inline for id in fresh):
            self._executors[False]().wake()

    def _executor(self, step: Step) -> Executor:
        return self._executors[step.definition.node.inline]()

    def _recipe(self, step: Step) -> Recipe:
        if step.id not in self._recipes:
            machine = self._executor(step).machine
            self._recipes[step.id] = recipe_of(step, self._config(step), machine, self._files)
        return self._recipes[step.id]

    def _config(self, step: Step) -> BaseModel:
        if step.id not in self._configs:  # it was not needed when the run began
            self._configs[step.id] = step.config()
        return self._configs[step.id]

    @property
    def _files(self) -> FileDigests:
        return self.cache.files if self.cache else FileDigests.of_process()

    # Messages ----------------------------------------------------------------

    def _listen(self) -> None:
        """Waits for one message, or for the time to look at what others compute."""
        try:
            what, id, detail = self._messages.get(timeout=_POLL if self._awaited else None)
        except queue.Empty:
            for awaited in list(self._awaited.values()):
                self._look_again(awaited)
            return
        if what == "cancel":
            raise Cancelled("the run was cancelled")
        if id in self._remade:
            if what == "ended":
                self._made_again(self._remade.pop(id), detail)
            return
        attempt = self._attempts.get(id)
        if attempt is None or attempt.step.id not in self._flow.open:
            return  # it has ended, or was skipped meanwhile
        if self._is_ahead(attempt):
            attempt.early.append((what, detail))
        elif not attempt.ended:
            self._heard(what, attempt, detail)

    def _heard(self, what: str, attempt: Attempt, detail: Any) -> None:
        step, element = attempt.step.id, attempt.element
        if what == "ended":
            self._ended(attempt, detail)
        elif what == "loading":
            self._news.append(StepLoading(step, element=element))
        elif what == "running" and not attempt.announced:
            self._start(attempt)
        elif what == "restarting":
            attempt.announced = False
            self._news.append(StepRestarted(step, f"its worker died: {detail}; starting another", element=element))

    def _start(self, attempt: Attempt) -> None:
        if attempt.step.id not in self._prepared:
            self._prepared.add(attempt.step.id)
            self._prepare_workers(attempt.step.id)
        elements = self._elements.get(attempt.step.id)
        if elements and not elements.started:
            elements.started = True
            self._news.append(StepStarted(attempt.step.id))
        self._news.append(StepStarted(attempt.step.id, element=attempt.element))

    def _look_again(self, attempt: Attempt) -> None:
        del self._awaited[attempt.id]
        assert self.cache is not None
        if self._known(attempt):
            return
        if not self.cache.leases.take(attempt.key):
            self._awaited[attempt.id] = attempt
            return
        attempt.leased = True
        if not self._known(attempt):
            self._submit(attempt)

    def _ended(self, attempt: Attempt, future: Future[Outcome]) -> None:
        if future.cancelled():
            return
        outcome = future.result()
        if isinstance(outcome, Done):
            self._succeeded(attempt, outcome)
        elif outcome.upstream:
            attempt.future, attempt.tries = None, attempt.tries - 1  # sent ahead of something that was tried again
            attempt.inputs = self._flow.supply.inputs_of(attempt.step, admit=False)
            self._due.append(attempt)
        elif outcome.lost and attempt.losses < _MOST_LOSSES:
            self._make_again(attempt)
        elif outcome.retryable and attempt.tries <= attempt.step.retries:
            reason = f"{self._clean(outcome.message)}; trying again"
            self._news.append(StepRestarted(attempt.step.id, reason, element=attempt.element))
            self._submit(attempt)
        else:
            self._failed(attempt, outcome)

    def _make_again(self, attempt: Attempt) -> None:
        """What an attempt needs was lost with the process that held it: those that made it make it again."""
        attempt.losses += 1
        attempt.tries -= 1
        self._bereft.append(attempt)
        for maker in sorted(self._plan.makers(attempt.step.edges.values()) & self._flow.made.keys()):
            step = self._flow.steps[maker]
            elements = self._elements.get(maker)
            made = elements.made if elements else {None: self._flow.made[maker]}
            for element, outputs in made.items():
                inputs = elements.given[element] if elements and element is not None else {}
                again = Attempt(step, self._config(step), element, inputs)
                if _is_fleeting(outputs) and again.id not in self._remade:
                    self._remade[again.id] = again
                    self._news.append(
                        StepRestarted(maker, "what it had made was lost; making it again", element=element)
                    )
        for again in [each for each in self._remade.values() if each.future is None]:
            self._submit(again)

    def _made_again(self, attempt: Attempt, future: Future[Outcome]) -> None:
        outcome, id = future.result(), attempt.step.id
        if isinstance(outcome, Failed) and outcome.lost and attempt.losses < _MOST_LOSSES:
            attempt.again = True
            self._make_again(attempt)
            return
        if isinstance(outcome, Failed):
            bereft, self._bereft = self._bereft, []
            for other in bereft:
                if not other.again:
                    self._failed(other, outcome)
            return
        elements = self._elements.get(id)
        if elements and attempt.element is not None:
            elements.made[attempt.element] = outcome.outputs
        self._flow.made[id] = elements.outputs() if elements else outcome.outputs
        for follower in self._elements.values():
            follower.admitted = []  # they stand for what was lost
        while self._bereft and not self._remade:  # the last to have lost something goes first
            other = self._bereft.pop()
            if other.again:
                self._remade[other.id] = other
            self._submit(other)

    def _succeeded(self, attempt: Attempt, done: Done) -> None:
        if done.unkept and self._keeping:
            self._stop_keeping(done.unkept)
        if attempt.parts is None and attempt.uncached:
            self._set_key(attempt)  # the weights have come meanwhile
        self._unrecorded.append((attempt, done))
        ending = (done.outputs, done.seconds, done.spans, self._clean(done.log), done.began, done.worker)
        self._news.append(StepFinished(attempt.step.id, attempt.key, *ending, element=attempt.element))
        self._end(attempt, done.outputs, done.seconds, cached=False)
        for twin in self._twins.pop(attempt.key, ()):
            cached = StepCached(twin.step.id, twin.key, done.outputs, done.seconds, element=twin.element)
            self._news.append(cached)
            self._end(twin, done.outputs, done.seconds, cached=True)

    def _record(self, attempt: Attempt, done: Done) -> None:
        """Puts a result on record: what follows it has been sent on its way before.

        Nobody else computes this key meanwhile: the lease is given back only now. Where leases do not
        hold, the record that was there first stays, and both are right.
        """
        if self.cache and self._keeping and attempt.key and attempt.parts and not done.unkept:
            at_rest = {name: artifact.at_rest() for name, artifact in done.outputs.items()}
            record = Record(attempt.key, attempt.parts, at_rest, done.seconds, time.time())
            try:
                self.cache.save(record, replace=self._refreshes(attempt.step))
            except OSError as error:
                self._stop_keeping(str(error))
        self._give(attempt)

    def _failed(self, attempt: Attempt, failed: Failed) -> None:
        attempt.ended = True
        self._give(attempt)
        self._due += self._twins.pop(attempt.key, ())
        if attempt.element is None:
            self._step_failed(attempt.step, failed)
            return
        message, trace, log = map(self._clean, (failed.message, failed.trace, failed.log))
        self._news.append(StepFailed(attempt.step.id, message, trace, failed.exit_code, log, element=attempt.element))
        elements = self._elements[attempt.step.id]
        elements.failed[attempt.element] = failed
        self._element_ended(elements, attempt)

    def _end(self, attempt: Attempt, outputs: Mapping[str, Artifact], seconds: float, *, cached: bool) -> None:
        """An attempt has its outputs."""
        attempt.ended = True
        if attempt.element is None:
            self._skip(self._flow.end(attempt.step.id, outputs))
            return
        elements = self._elements[attempt.step.id]
        elements.made[attempt.element] = outputs
        elements.seconds += 0.0 if cached else seconds
        elements.saved += seconds if cached else 0.0
        elements.cached += cached
        self._element_ended(elements, attempt)

    def _element_ended(self, elements: Elements, attempt: Attempt) -> None:
        del self._attempts[attempt.id]
        elements.running -= 1
        self._next_elements(elements)

    # Ends --------------------------------------------------------------------

    def _told(self) -> Iterator[Event]:
        while self._news:
            yield self._news.popleft()

    def _give(self, attempt: Attempt) -> None:
        if attempt.leased and self.cache is not None:
            self.cache.leases.give(attempt.key)
            attempt.leased = False

    def _let_go(self) -> None:
        """Stops what still runs, and gives back every lease; what is done is put on record."""
        while self._unrecorded:
            self._record(*self._unrecorded.popleft())
        for attempt in self._attempts.values():
            if attempt.future is not None and not attempt.future.done():
                self._executor(attempt.step).cancel(attempt.future)
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
        named = {name for step in self._plan.steps.values() for names in step.variables.values() for name in names}
        return {value for name in named if len(value := os.environ.get(name, "")) >= 4}


def _is_fleeting(outputs: Mapping[str, Artifact]) -> bool:
    """Whether some of it lies in the memory of a process alone."""
    leaves = [leaf for artifact in outputs.values() for leaf in artifact.leaves]
    return any(leaf.live is not None and not leaf.stored and leaf.inline is None for leaf in leaves)
