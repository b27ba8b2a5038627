"""Engine: sees actions through, of one item or of many. The only place where plan, cache and executors meet.

It owns all state of what is on its way, and works in the thread that calls `turn`; workers, timers
and other threads only put messages into its queue. So no action is ever handled by two threads,
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
from studio.cache.record_writer import PendingRecord, RecordWriter
from studio.errors import Cancelled, InputError
from studio.executors.base import Executor
from studio.executors.task import ChunkWork, Done, Failed, Outcome, Recipe, Task, Work
from studio.language.plan import Step
from studio.run.chunk_action import ChunkAction
from studio.run.events import Event, StepLoading, StepLogged, StepRestarted, StepWaiting, Warned
from studio.run.execution import Action, Execution
from studio.run.inputs import Inputs
from studio.run.lookups import Lookups
from studio.run.recipes import recipe_of
from studio.run.subplan import Subplan
from studio.values.artifact import Artifact
from studio.values.measures import Measures

__all__ = ["Engine"]

_MOST_LOSSES = 3  # of what one action needs, before it fails
_PULSE = 0.25  # seconds after which `turn` comes back though nothing has happened, where there are many items
_POLL = 0.05  # seconds between looks at what another process computes


class Engine:
    """What all items of one run share: one subplan, one cache, the executors, and whatever is on its way."""

    def __init__(
        self,
        subplan: Subplan,
        *,
        cache: Cache | None,
        executor: Callable[[], Executor],
        inline: Callable[[], Executor],
        refresh: frozenset[str],
        tell: Callable[[Event], None],
        many: bool = False,
    ) -> None:
        """Events that concern no single item go to `tell`. `many` items are better sent together than ahead."""
        self.subplan, self.cache = subplan, cache
        self.tell = tell
        self._name = secrets.token_hex(8)  # by which executors tell runs apart
        self._executors = {False: executor, True: inline}
        self._many = many
        self._configs = {id: subplan.steps[id].config() for id in subplan.steps if id in subplan.first}
        self._lookups = Lookups(cache, subplan.plan.name, self._config, refresh, tell)
        self._recipes: dict[str, Recipe] = {}
        self.due: deque[Action] = deque()  # actions whose turn has come
        self._leaving: list[Action] = []  # to be given to an executor
        self._flying: set[Action] = set()  # given to one
        self._unrecorded: deque[PendingRecord] = deque()
        self._prepared: set[str] = set()  # steps whose workers have been asked for
        self._awaited: set[Action] = set()  # what another run is computing
        self._messages: queue.SimpleQueue[tuple[str, Action | None, Any]] = queue.SimpleQueue()
        self._admitted: set[str] = set()  # steps whose workers are known to fit
        self._keeping = cache is not None
        self._asks = many and cache is not None and cache.tier is not None
        self._record_writer = (
            RecordWriter(cache, self._cannot_keep if many else self._stop_keeping, many) if cache else None
        )

    def new_execution(
        self, inputs: Inputs, tell: Callable[[Event], None], form: type[Execution] = Execution
    ) -> Execution:
        """The way of one more item; its events go to `tell`."""
        return form(self.subplan, inputs, self.due, tell, self.clean)

    @property
    def busy(self) -> bool:
        """Whether there is anything to be done at once."""
        return bool(self.due or self._leaving or self._unrecorded)

    def turn(self) -> None:
        """Does what is to be done next; waits for a message if there is nothing."""
        if self.due:
            if self._asks and not (self.due[0].key or self.due[0].uncached):
                self._lookups.ask(self.due)
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
        if self._record_writer is not None:
            self._record_writer.close()
        for action in (*self._flying, *self._leaving, *self.due, *self._awaited):
            self._drop(action)
        self._lookups.close()

    def settle(self) -> None:
        """Waits until all that was computed is on record."""
        if self._record_writer is not None:
            self._record_writer.close()
        while not self._messages.empty():
            self._take(*self._messages.get())

    def forget(self, execution: Execution) -> None:
        """Stops what is on its way for one item."""
        for action in [each for each in self._flying if each.owner is execution]:
            self._drop(action)
            self._abandon(action)

    # Looking up --------------------------------------------------------------

    def _consider(self, action: Action) -> None:
        """Is the result known, being made, or to be made?"""
        if not action.owner.goes_on(action):
            return
        if isinstance(action, ChunkAction):
            self._consider_chunk(action)
            return
        if action.future is not None:
            self._catch_up(action)
            return
        self._lookups.name(action)
        if not action.key:
            self._leaving.append(action)
        elif not self._lookups.joins(action) and (self._lookups.is_new(action.step) or not self._known(action)):
            self._claim(action)

    def _claim(self, action: Action) -> None:
        """Computes it, unless another run is just doing that; or has done it, while that was asked."""
        if not self._lookups.take(action):
            self._awaited.add(action)
            reason = "the same is being computed already"
            self._hear(action, StepWaiting(action.step.id, reason, element=action.element))
        else:
            self._claimed(action)

    def _claimed(self, action: Action) -> None:
        """The lease is ours: it is computed, unless it was made while that was sought."""
        if not self._known(action):
            self._lookups.begin(action)
            self._leaving.append(action)

    def _known(self, action: Action) -> bool:
        """Whether the cache knows the outputs; then the action is done."""
        record = self._lookups.record(action.step, action.key)
        if record is None:
            return False
        self._lookups.give(action)
        action.owner.found(action, record.outputs, record.measures)
        action.owner.advance()
        return True

    def _look_again(self, action: Action) -> None:
        """Has the other run come to an end with what this one waits for?"""
        if not action.owner.goes_on(action) or self._known(action):
            self._awaited.discard(action)
        elif self._lookups.take(action):
            self._awaited.discard(action)
            self._claimed(action)

    def _consider_chunk(self, chunk: ChunkAction) -> None:
        """Which results are known? Those that another makes already are waited for by each item apart."""
        self._lookups.name_chunk(chunk)
        self._lookups.sort(chunk)
        if chunk.wanted:
            self._leaving.append(chunk)
        else:
            chunk.over(chunk)

    # Computing ---------------------------------------------------------------

    def _send(self) -> None:
        """Gives what is to be computed to the executors, all of it that is for the same one at once."""
        leaving, self._leaving = self._leaving, []
        ready: dict[bool, list[Action]] = {False: [], True: []}  # by whether they run inline
        for action in leaving:
            if not action.owner.goes_on(action):  # its item came to an end meanwhile
                self._abandon(action)
                continue
            try:
                self._admit(action)
                action.inputs = action.owner.admitted_inputs(action)
            except InputError as error:
                self._give_up(action, error)
            else:
                ready[action.step.definition.node.inline].append(action)
        for inline, actions in ready.items():
            if actions:
                self._submit(self._executors[inline](), actions)

    def _give_up(self, action: Action, error: InputError) -> None:
        """An item was given something that is not sound."""
        self._abandon(action)
        self.forget(action.owner)
        action.owner.refused(error)

    def _submit(self, executor: Executor, actions: list[Action]) -> None:
        tasks = [self._task(action) for action in actions]
        self._flying.update(actions)
        put = self._messages.put

        def notify(place: int, state: str, detail: str) -> None:
            if state not in ("running", "log") or not self._many:
                put((state, actions[place], detail))

        futures = executor.submit_many(tasks, notify)
        for action, future in zip(actions, futures, strict=True):
            action.future = future
            future.add_done_callback(lambda future, action=action: put(("ended", action, future)))  # type: ignore[misc]
        if self._many:
            for action in actions:
                self._prepare_workers(action)
        elif self.cache is None:
            for action, task in zip(actions, tasks, strict=True):
                if action.element is None and executor.quick(task.recipe):
                    action.owner.ahead_of(action.step)

    def _task(self, action: Action) -> Task:
        step = action.step
        action.tries += 1
        store = self.cache.store if self.cache else None
        if isinstance(action, ChunkAction):
            batch = self._recipe(step).batch
            work: Work = ChunkWork(action.asked, store, self._keeping, len(action.wanted), batch)
        else:
            work = Work(action.inputs, store, self._keeping)
        if not action.remakes and not action.owner.is_ahead(action):
            action.owner.waits(action)
        return Task(action.id, self._recipe(step), work, step.timeout, self._name)

    def _admit(self, action: Action) -> None:
        """Before anything runs: can everything that may have to, and is everything given sound?"""
        scheduler = action.owner.scheduler
        if not self._admitted >= scheduler.open:
            fresh = [id for id in scheduler.steps if id in scheduler.open - self._admitted]
            for id in fresh:
                self._executor(scheduler.steps[id]).require(id, self._recipe(scheduler.steps[id]))
            action.owner.admit()
            self._admitted |= set(fresh)
            if not all(scheduler.steps[id].definition.node.inline for id in fresh):
                self._executors[False]().wake()
        action.owner.admit()

    def _prepare_workers(self, action: Action) -> None:
        """While a step runs, workers for what will follow it are set up, where there is room."""
        if action.step.id in self._prepared:
            return
        scheduler = action.owner.scheduler
        self._prepared.add(action.step.id)
        pending = deque(scheduler.followers[action.step.id])
        while pending:
            follower = pending.popleft()
            if follower not in scheduler.open or follower in self._prepared or not self._will_run(follower):
                continue
            self._prepared.add(follower)
            step = scheduler.steps[follower]
            if not step.definition.node.inline:
                self._executor(step).prepare(self._recipe(step))
            pending.extend(scheduler.followers[follower])

    def _will_run(self, id: str) -> bool:
        """Whether nothing but a failure or the cache can keep a step from running."""
        step = self.subplan.steps[id]
        sources = [source for edge in step.edges.values() for source in edge.sources]
        return not step.when and not any(self.subplan.may_be_absent(source) for source in sources)

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

    def _take(self, what: str, action: Action | None, detail: Any) -> None:
        if action is None:
            self._told(what, detail)
            return
        if what == "ended":
            self._flying.discard(action)
            if self._many:
                action.future = None  # which refers back to it
        if not action.owner.goes_on(action):
            if what == "ended" and not action.ended:
                self._abandon(action)
            return  # it has ended, or was skipped meanwhile
        if action.remakes:
            if what == "ended":
                self._made_again(action, detail)
        elif action.owner.is_ahead(action):
            action.early.append((what, detail))
        else:
            self._heard(what, action, detail)

    def _told(self, what: str, detail: str) -> None:
        """Hears what concerns no action."""
        if what == "cancel":
            raise Cancelled("the run was cancelled")
        self._stop_keeping(detail)

    def _catch_up(self, action: Action) -> None:
        """One that was sent ahead has its inputs now: what was heard of it meanwhile counts."""
        heard, action.early = [each for each in action.early if each[0] != "running"], []
        for what, detail in heard:
            if not action.ended:
                self._heard(what, action, detail)

    def _heard(self, what: str, action: Action, detail: Any) -> None:
        step, element = action.step.id, action.element
        if what == "ended":
            self._ended(action, detail)
        elif what == "loading":
            self._hear(action, StepLoading(step, element=element))
        elif what == "running" and not action.announced:
            self._prepare_workers(action)
            action.owner.started(action)
        elif what == "log":
            self._hear(action, StepLogged(step, self.clean(detail), element=element))
        elif what == "restarting":
            action.announced = False
            self._hear(action, StepRestarted(step, f"its worker died: {detail}; starting another", element=element))

    def _hear(self, action: Action, event: Event) -> None:
        action.owner.tell(event)

    # Ends --------------------------------------------------------------------

    def _ended(self, action: Action, future: Future[Outcome]) -> None:
        if future.cancelled():
            return
        if isinstance(action, ChunkAction):
            self._chunk_ended(action, future.result())
        else:
            self.judge(action, future.result())

    def judge(self, action: Action, outcome: Outcome) -> None:
        """It was tried, with this outcome: is that its end?"""
        if isinstance(outcome, Done):
            self._succeeded(action, outcome)
        elif outcome.upstream:
            action.owner.back_in_line(action)
        elif outcome.lost and action.losses < _MOST_LOSSES:
            self._leaving.extend(action.owner.lost_inputs(action))
        elif outcome.retryable and action.tries <= action.step.retries:
            reason = f"{self.clean(outcome.message)}; trying again"
            self._hear(action, StepRestarted(action.step.id, reason, element=action.element))
            lets_others = self._many and not action.leased  # one of them may be making it meanwhile
            (self.due if lets_others else self._leaving).append(action)
        else:
            self._failed(action, outcome)

    def _made_again(self, action: Action, future: Future[Outcome]) -> None:
        """What was lost is there again, or will never be."""
        outcome = future.result()
        if isinstance(outcome, Done):
            self._leaving.extend(action.owner.remade(action, outcome))
        elif outcome.lost and action.losses < _MOST_LOSSES:
            self._leaving.extend(action.owner.lost_again(action))
        else:
            for waiting in action.owner.not_remade(action):
                self._failed(waiting, outcome)

    def _succeeded(self, action: Action, done: Done) -> None:
        if done.unkept and self._keeping:
            self._stop_keeping(done.unkept)
        if action.basis is None and action.uncached:
            self._lookups.name(action)  # the weights have come meanwhile
        refreshes, leased, action.leased = self._lookups.refreshes(action.step), action.leased, False
        if action.key:
            basis = None if done.unkept else action.basis
            made = PendingRecord(action.key, basis, action.inputs, done.outputs, done.measures, refreshes, leased)
            self._unrecorded.append(made)
            self._lookups.hand_over(action.key)
        action.owner.done(action, done)
        action.owner.advance()
        self._wake_duplicates(action.key, done.outputs, done.measures)

    def _wake_duplicates(self, key: str, outputs: Mapping[str, Artifact], measures: Measures) -> None:
        """Those that wanted the same have it."""
        for duplicate in self._lookups.end(key):
            if duplicate.owner.goes_on(duplicate):
                duplicate.owner.found(duplicate, outputs, measures)
                duplicate.owner.advance()

    def _chunk_ended(self, chunk: ChunkAction, outcome: Outcome) -> None:
        """What became of the rows of a chunk; where it failed as a whole, each is to try for itself."""
        if isinstance(outcome, Done):
            if outcome.unkept and self._keeping:
                self._stop_keeping(outcome.unkept)
            chunk.compute(outcome)
            if chunk.keys:
                self._keep_chunk(chunk, None if outcome.unkept else chunk.basis)
            chunk.share()
        self._abandon(chunk)
        chunk.over(chunk)

    def _keep_chunk(self, chunk: ChunkAction, basis: Basis | None) -> None:
        """Has the rows that were computed put on record."""
        refreshes = self._lookups.refreshes(chunk.step)
        for row, measures in chunk.computed():
            key = chunk.keys.get(row)
            if key is not None:
                outputs, leased = chunk.outputs_of(row), key in chunk.leases
                self._unrecorded.append(PendingRecord(key, basis, chunk.of(row), outputs, measures, refreshes, leased))
                chunk.leases.discard(key)
                self._lookups.hand_over(key)
                self._wake_duplicates(key, outputs, measures)

    def _failed(self, action: Action, failed: Failed) -> None:
        self._abandon(action)
        action.owner.failed(action, failed)
        action.owner.advance()

    def _record(self, made: PendingRecord) -> None:
        """Puts a result on record: what follows it has been sent on its way before."""
        if self._record_writer is not None:
            self._record_writer.keep(made)

    def _drop(self, action: Action) -> None:
        if action.future is not None and not action.future.done():
            self._executor(action.step).cancel(action.future)
        self._lookups.give(action)

    def _abandon(self, action: Action) -> None:
        """It will give nothing. Of those that wanted the same, one is next."""
        self.due.extend(self._lookups.abandon(action))

    def _cannot_keep(self, why: str) -> None:
        """Says so, from any thread."""
        self._messages.put(("unkept", None, why))

    def _stop_keeping(self, why: str) -> None:
        if self._record_writer is not None:
            self._record_writer.stop()
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
        steps = self.subplan.plan.steps.values()
        named = {name for step in steps for names in step.variables.values() for name in names}
        return {value for name in named if len(value := os.environ.get(name, "")) >= 4}
