"""Engine: sees attempts through, of one item or of many. The only place where plan, cache and executors meet.

It owns all state of what is on its way, and works in the thread that calls `turn`; workers, timers
and other threads only put messages into its queue. So no attempt is ever handled by two threads,
and cancelling is one more message.
"""

from __future__ import annotations

import os
import queue
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from studio.cache.cache import Cache
from studio.cache.file_digests import FileDigests
from studio.cache.record import Basis
from studio.cache.recorder import Made, Recorder
from studio.errors import Cancelled, InputError
from studio.executors.base import Executor
from studio.executors.task import Done, Failed, Outcome, Recipe, Task, Work
from studio.language.plan import Step
from studio.run.batch_action import Bundle
from studio.run.events import Event, StepLoading, StepRestarted, StepWaiting, Warned
from studio.run.execution import Attempt, Passage
from studio.run.inputs import Supply
from studio.run.lookups import Claims
from studio.run.recipes import recipe_of
from studio.run.subplan import Course
from studio.values.artifact import Artifact

__all__ = ["Engine"]

_MOST_LOSSES = 3  # of what one attempt needs, before it fails
_PULSE = 0.25  # seconds after which `turn` comes back though nothing has happened, where there are many items
_POLL = 0.05  # seconds between looks at what another process computes


class Engine:
    """What all items of one run share: one course, one cache, the executors, and whatever is on its way."""

    def __init__(
        self,
        course: Course,
        *,
        cache: Cache | None,
        executor: Callable[[], Executor],
        inline: Callable[[], Executor],
        refresh: frozenset[str],
        tell: Callable[[Event], None],
        many: bool = False,
    ) -> None:
        """Events that concern no single item go to `tell`. `many` items are better sent together than ahead."""
        self.course, self.cache = course, cache
        self.tell = tell
        self._name = secrets.token_hex(8)  # by which executors tell runs apart
        self._executors = {False: executor, True: inline}
        self._many = many
        self._configs = {id: course.steps[id].config() for id in course.steps if id in course.first}
        self._claims = Claims(cache, course.plan.name, self._config, refresh, tell)
        self._recipes: dict[str, Recipe] = {}
        self.due: deque[Attempt] = deque()  # attempts whose turn has come
        self._leaving: list[Attempt] = []  # to be given to an executor
        self._flying: set[Attempt] = set()  # given to one
        self._unrecorded: deque[Made] = deque()
        self._prepared: set[str] = set()  # steps whose workers have been asked for
        self._awaited: set[Attempt] = set()  # what another run is computing
        self._messages: queue.SimpleQueue[tuple[str, Attempt | None, Any]] = queue.SimpleQueue()
        self._admitted: set[str] = set()  # steps whose workers are known to fit
        self._keeping = cache is not None
        self._asks = many and cache is not None and cache.tier is not None
        self._recorder = Recorder(cache, self._cannot_keep if many else self._stop_keeping, many) if cache else None

    def passage(self, supply: Supply, tell: Callable[[Event], None], form: type[Passage] = Passage) -> Passage:
        """The way of one more item; its events go to `tell`."""
        return form(self.course, supply, self.due, tell, self.clean)

    @property
    def busy(self) -> bool:
        """Whether there is anything to be done at once."""
        return bool(self.due or self._leaving or self._unrecorded)

    def turn(self) -> None:
        """Does what is to be done next; waits for a message if there is nothing."""
        if self.due:
            if self._asks and not (self.due[0].key or self.due[0].uncached):
                self._claims.ask(self.due)
            self._consider(self.due.popleft())
        elif self._leaving:
            self._send()
        elif self._unrecorded:
            self._record(self._unrecorded.popleft())
        else:
            self._listen()

    def cancel(self) -> None:
        """Stops everything, from any thread: `turn` raises Cancelled."""
        self._messages.put(("cancel", None, None))

    def let_go(self) -> None:
        """Stops what still runs, and gives back every lease; what is done is put on record."""
        while self._unrecorded:
            self._record(self._unrecorded.popleft())
        if self._recorder is not None:
            self._recorder.close()
        for attempt in (*self._flying, *self._leaving, *self.due, *self._awaited):
            self._drop(attempt)
        self._claims.close()

    def settle(self) -> None:
        """Waits until all that was computed is on record."""
        if self._recorder is not None:
            self._recorder.close()
        while not self._messages.empty():
            self._take(*self._messages.get())

    def forget(self, passage: Passage) -> None:
        """Stops what is on its way for one item."""
        for attempt in [each for each in self._flying if each.owner is passage]:
            self._drop(attempt)
            self._abandon(attempt)

    # Looking up --------------------------------------------------------------

    def _consider(self, attempt: Attempt) -> None:
        """Is the result known, being made, or to be made?"""
        if not attempt.owner.goes_on(attempt):
            return
        if isinstance(attempt, Bundle):
            self._consider_rows(attempt)
            return
        if attempt.future is not None:
            self._catch_up(attempt)
            return
        self._claims.name(attempt)
        if not attempt.key:
            self._leaving.append(attempt)
        elif not self._claims.joins(attempt) and (self._claims.is_new(attempt.step) or not self._known(attempt)):
            self._claim(attempt)

    def _claim(self, attempt: Attempt) -> None:
        """Computes it, unless another run is just doing that; or has done it, while that was asked."""
        if not self._claims.take(attempt):
            self._awaited.add(attempt)
            reason = "the same is being computed already"
            self._hear(attempt, StepWaiting(attempt.step.id, reason, element=attempt.element))
        else:
            self._claimed(attempt)

    def _claimed(self, attempt: Attempt) -> None:
        """The lease is ours: it is computed, unless it was made while that was sought."""
        if not self._known(attempt):
            self._claims.begin(attempt)
            self._leaving.append(attempt)

    def _known(self, attempt: Attempt) -> bool:
        """Whether the cache knows the outputs; then the attempt is done."""
        record = self._claims.record(attempt.step, attempt.key)
        if record is None:
            return False
        self._claims.give(attempt)
        attempt.owner.found(attempt, record.outputs, record.seconds)
        attempt.owner.advance()
        return True

    def _look_again(self, attempt: Attempt) -> None:
        """Has the other run come to an end with what this one waits for?"""
        if not attempt.owner.goes_on(attempt) or self._known(attempt):
            self._awaited.discard(attempt)
        elif self._claims.take(attempt):
            self._awaited.discard(attempt)
            self._claimed(attempt)

    def _consider_rows(self, bundle: Bundle) -> None:
        """Which results are known? Those that another makes already are waited for by each item apart."""
        self._claims.name_rows(bundle)
        self._claims.sort(bundle)
        if bundle.wanted:
            self._leaving.append(bundle)
        else:
            bundle.over(bundle)

    # Computing ---------------------------------------------------------------

    def _send(self) -> None:
        """Gives what is to be computed to the executors, all of it that is for the same one at once."""
        leaving, self._leaving = self._leaving, []
        ready: dict[bool, list[Attempt]] = {False: [], True: []}  # by whether they run inline
        for attempt in leaving:
            if not attempt.owner.goes_on(attempt):  # its item came to an end meanwhile
                self._abandon(attempt)
                continue
            try:
                self._admit(attempt)
                attempt.inputs = attempt.owner.admitted_inputs(attempt)
            except InputError as error:
                self._give_up(attempt, error)
            else:
                ready[attempt.step.definition.node.inline].append(attempt)
        for inline, attempts in ready.items():
            if attempts:
                self._submit(self._executors[inline](), attempts)

    def _give_up(self, attempt: Attempt, error: InputError) -> None:
        """An item was given something that is not sound."""
        self._abandon(attempt)
        self.forget(attempt.owner)
        attempt.owner.refused(error)

    def _submit(self, executor: Executor, attempts: list[Attempt]) -> None:
        tasks = [self._task(attempt) for attempt in attempts]
        self._flying.update(attempts)
        put = self._messages.put

        def notify(place: int, state: str, detail: str) -> None:
            if state != "running" or not self._many:
                put((state, attempts[place], detail))

        futures = executor.submit_many(tasks, notify)
        for attempt, future in zip(attempts, futures, strict=True):
            attempt.future = future
            future.add_done_callback(lambda future, attempt=attempt: put(("ended", attempt, future)))  # type: ignore[misc]
        if self._many:
            for attempt in attempts:
                self._prepare_workers(attempt)
        elif self.cache is None:
            for attempt, task in zip(attempts, tasks, strict=True):
                if attempt.element is None and executor.quick(task.recipe):
                    attempt.owner.ahead_of(attempt.step)

    def _task(self, attempt: Attempt) -> Task:
        step = attempt.step
        attempt.tries += 1
        work = Work(attempt.inputs, self.cache.store if self.cache else None, self._keeping)
        if isinstance(attempt, Bundle):
            work.inputs, work.rows, work.together = attempt.asked, len(attempt.wanted), self._recipe(step).batch
        if not attempt.remakes and not attempt.owner.is_ahead(attempt):
            attempt.owner.waits(attempt)
        return Task(attempt.id, self._recipe(step), work, step.timeout, self._name)

    def _admit(self, attempt: Attempt) -> None:
        """Before anything runs: can everything that may have to, and is everything given sound?"""
        flow = attempt.owner.flow
        if not self._admitted >= flow.open:
            fresh = [id for id in flow.steps if id in flow.open - self._admitted]
            for id in fresh:
                self._executor(flow.steps[id]).require(id, self._recipe(flow.steps[id]))
            attempt.owner.admit()
            self._admitted |= set(fresh)
            if not all(flow.steps[id].definition.node.inline for id in fresh):
                self._executors[False]().wake()
        attempt.owner.admit()

    def _prepare_workers(self, attempt: Attempt) -> None:
        """While a step runs, workers for what will follow it are set up, where there is room."""
        if attempt.step.id in self._prepared:
            return
        flow = attempt.owner.flow
        self._prepared.add(attempt.step.id)
        pending = deque(flow.followers[attempt.step.id])
        while pending:
            follower = pending.popleft()
            if follower not in flow.open or follower in self._prepared or not self._will_run(follower):
                continue
            self._prepared.add(follower)
            step = flow.steps[follower]
            if not step.definition.node.inline:
                self._executor(step).prepare(self._recipe(step))
            pending.extend(flow.followers[follower])

    def _will_run(self, id: str) -> bool:
        """Whether nothing but a failure or the cache can keep a step from running."""
        step = self.course.steps[id]
        sources = [source for edge in step.edges.values() for source in edge.sources]
        return not step.when and not any(self.course.may_be_absent(source) for source in sources)

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
        """Waits for one message, or for the time to look at what others compute; takes all that have come."""
        try:
            message = self._messages.get(timeout=_POLL if self._awaited else _PULSE if self._many else None)
        except queue.Empty:
            for awaited in list(self._awaited):
                self._look_again(awaited)
            return
        self._take(*message)
        while not self._messages.empty():
            self._take(*self._messages.get())

    def _take(self, what: str, attempt: Attempt | None, detail: Any) -> None:
        if attempt is None:
            self._told(what, detail)
            return
        if what == "ended":
            self._flying.discard(attempt)
            if self._many:
                attempt.future = None  # which refers back to it
        if not attempt.owner.goes_on(attempt):
            if what == "ended" and not attempt.ended:
                self._abandon(attempt)
            return  # it has ended, or was skipped meanwhile
        if attempt.remakes:
            if what == "ended":
                self._made_again(attempt, detail)
        elif attempt.owner.is_ahead(attempt):
            attempt.early.append((what, detail))
        else:
            self._heard(what, attempt, detail)

    def _told(self, what: str, detail: str) -> None:
        """Hears what concerns no attempt."""
        if what == "cancel":
            raise Cancelled("the run was cancelled")
        self._stop_keeping(detail)

    def _catch_up(self, attempt: Attempt) -> None:
        """One that was sent ahead has its inputs now: what was heard of it meanwhile counts."""
        heard, attempt.early = [each for each in attempt.early if each[0] != "running"], []
        for what, detail in heard:
            if not attempt.ended:
                self._heard(what, attempt, detail)

    def _heard(self, what: str, attempt: Attempt, detail: Any) -> None:
        step, element = attempt.step.id, attempt.element
        if what == "ended":
            self._ended(attempt, detail)
        elif what == "loading":
            self._hear(attempt, StepLoading(step, element=element))
        elif what == "running" and not attempt.announced:
            self._prepare_workers(attempt)
            attempt.owner.started(attempt)
        elif what == "restarting":
            attempt.announced = False
            self._hear(attempt, StepRestarted(step, f"its worker died: {detail}; starting another", element=element))

    def _hear(self, attempt: Attempt, event: Event) -> None:
        attempt.owner.tell(event)

    # Ends --------------------------------------------------------------------

    def _ended(self, attempt: Attempt, future: Future[Outcome]) -> None:
        if future.cancelled():
            return
        if isinstance(attempt, Bundle):
            self._rows_ended(attempt, future.result())
        else:
            self.judge(attempt, future.result())

    def judge(self, attempt: Attempt, outcome: Outcome) -> None:
        """It was tried, with this outcome: is that its end?"""
        if isinstance(outcome, Done):
            self._succeeded(attempt, outcome)
        elif outcome.upstream:
            attempt.owner.back_in_line(attempt)
        elif outcome.lost and attempt.losses < _MOST_LOSSES:
            self._leaving.extend(attempt.owner.bereave(attempt))
        elif outcome.retryable and attempt.tries <= attempt.step.retries:
            reason = f"{self.clean(outcome.message)}; trying again"
            self._hear(attempt, StepRestarted(attempt.step.id, reason, element=attempt.element))
            lets_others = self._many and not attempt.leased  # one of them may be making it meanwhile
            (self.due if lets_others else self._leaving).append(attempt)
        else:
            self._failed(attempt, outcome)

    def _made_again(self, attempt: Attempt, future: Future[Outcome]) -> None:
        """What was lost is there again, or will never be."""
        outcome = future.result()
        if isinstance(outcome, Done):
            self._leaving.extend(attempt.owner.remade(attempt, outcome))
        elif outcome.lost and attempt.losses < _MOST_LOSSES:
            self._leaving.extend(attempt.owner.lost_again(attempt))
        else:
            for bereft in attempt.owner.not_remade(attempt):
                self._failed(bereft, outcome)

    def _succeeded(self, attempt: Attempt, done: Done) -> None:
        if done.unkept and self._keeping:
            self._stop_keeping(done.unkept)
        if attempt.basis is None and attempt.uncached:
            self._claims.name(attempt)  # the weights have come meanwhile
        refreshes, leased, attempt.leased = self._claims.refreshes(attempt.step), attempt.leased, False
        if attempt.key:
            basis = None if done.unkept else attempt.basis
            made = Made(attempt.key, basis, attempt.inputs, done.outputs, done.seconds, refreshes, leased)
            self._unrecorded.append(made)
            self._claims.hand_over(attempt.key)
        attempt.owner.done(attempt, done)
        attempt.owner.advance()
        self._wake_twins(attempt.key, done.outputs, done.seconds)

    def _wake_twins(self, key: str, outputs: Mapping[str, Artifact], seconds: float) -> None:
        """Those that wanted the same have it."""
        for twin in self._claims.end(key):
            if twin.owner.goes_on(twin):
                twin.owner.found(twin, outputs, seconds)
                twin.owner.advance()

    def _rows_ended(self, bundle: Bundle, outcome: Outcome) -> None:
        """What became of the rows of a bundle; where it failed as a whole, each is to try for itself."""
        if isinstance(outcome, Done):
            if outcome.unkept and self._keeping:
                self._stop_keeping(outcome.unkept)
            bundle.compute(outcome)
            if bundle.keys:
                self._keep_rows(bundle, None if outcome.unkept else bundle.basis)
            bundle.share()
        self._abandon(bundle)
        bundle.over(bundle)

    def _keep_rows(self, bundle: Bundle, basis: Basis | None) -> None:
        """Has the rows that were computed put on record."""
        refreshes = self._claims.refreshes(bundle.step)
        for row, seconds in bundle.seconds():
            key = bundle.keys.get(row)
            if key is not None:
                outputs, leased = bundle.outputs_of(row), key in bundle.leases
                self._unrecorded.append(Made(key, basis, bundle.of(row), outputs, seconds, refreshes, leased))
                bundle.leases.discard(key)
                self._claims.hand_over(key)
                self._wake_twins(key, outputs, seconds)

    def _failed(self, attempt: Attempt, failed: Failed) -> None:
        self._abandon(attempt)
        attempt.owner.failed(attempt, failed)
        attempt.owner.advance()

    def _record(self, made: Made) -> None:
        """Puts a result on record: what follows it has been sent on its way before."""
        if self._recorder is not None:
            self._recorder.keep(made)

    def _drop(self, attempt: Attempt) -> None:
        if attempt.future is not None and not attempt.future.done():
            self._executor(attempt.step).cancel(attempt.future)
        self._claims.give(attempt)

    def _abandon(self, attempt: Attempt) -> None:
        """It will give nothing. Of those that wanted the same, one is next."""
        self.due.extend(self._claims.abandon(attempt))

    def _cannot_keep(self, why: str) -> None:
        """Says so, from any thread."""
        self._messages.put(("unkept", None, why))

    def _stop_keeping(self, why: str) -> None:
        if self._recorder is not None:
            self._recorder.stop()
        if not self._keeping:
            return
        self._keeping = False
        self.tell(Warned(f"the cache cannot be written ({why}): the run goes on without keeping results"))

    def clean(self, text: str) -> str:
        """Text without the secrets that a node may have put into it."""
        for secret in self._secrets if text else ():
            text = text.replace(secret, "***")
        return text

    @cached_property
    def _secrets(self) -> set[str]:
        """The values of the environment variables that the steps name."""
        steps = self.course.plan.steps.values()
        named = {name for step in steps for names in step.variables.values() for name in names}
        return {value for name in named if len(value := os.environ.get(name, "")) >= 4}
