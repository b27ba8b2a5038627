"""Engine: sees actions through, of one item or of many. The only place where plan, cache and executors meet.

It owns all state of what is on its way, and works in the thread that calls `turn`; workers, the clock
and other threads only put messages into its queue. So no action is ever handled by two threads, and
cancelling is one more message. The way of an action through it:

    Execution.advance        what is ready becomes actions, which are `due`
    turn → _consider         Action.look_up: known (its owner goes on), joined, elsewhere, or ours
    turn → _send → _submit   admitted, made a Task, given to an executor; its future will put a message
    turn → _listen → _take   what executors say of it while it runs
           → _ended          Done: _succeeded (its owner goes on; what has a key is to be recorded)
                             Failed: it is tried again, what it lost is made again, or it has failed
    turn                     the RecordWriter keeps the result, and gives back the lease
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from studio.cache.cache import Cache
from studio.cache.record_writer import PendingRecord, RecordWriter
from studio.clock import Alarm, Clock
from studio.errors import Cancelled
from studio.executors.task import Done, Failed, Outcome
from studio.node.source import ran_as_told
from studio.run.action import Action, ActionState, Computed, LookUp, Next
from studio.run.events import Event, StepLoading, StepLogged, StepRestarted, StepWaiting, Warned
from studio.run.execution import Execution
from studio.run.in_flight import InFlight
from studio.run.inbox import Cancel, DueAgain, Ended, Heard, Inbox, Message, Unkept
from studio.run.inputs import Inputs
from studio.run.listener import Listener
from studio.run.lookups import Lookups
from studio.run.provisioning import Provisioning
from studio.run.secrets import Secrets
from studio.run.single_action import SingleAction
from studio.run.subplan import Subplan

__all__ = ["Engine"]

_PULSE = 0.25  # seconds after which `turn` comes back though nothing has happened, where there are many items
_POLL = 0.05  # seconds between looks at what another process computes


class Engine:
    """What all items of one run share: one subplan, one cache, the executors, and whatever is on its way."""

    def __init__(
        self,
        subplan: Subplan,
        *,
        cache: Cache | None,
        provisioning: Provisioning,
        refresh: frozenset[str],
        tell: Callable[[Event], None],
        many: bool = False,
        waits: bool = True,
    ) -> None:
        """Events that concern no single item go to `tell`. `many` items are better sent together than ahead."""
        self.subplan, self.cache, self.clean = subplan, cache, Secrets(subplan.plan).clean
        self.due: deque[Action] = deque()  # actions whose turn has come
        self._tell, self._many, self._provisioning = tell, many, provisioning
        self._lookups = Lookups(cache, subplan.plan.name, self._provisioning.config_of_key, refresh, tell, waits)
        self._inbox = Inbox()
        self._in_flight = InFlight(self._provisioning, cache, self._inbox, many)
        self._leaving: list[Action] = []  # to be given to an executor
        self._awaited: set[Action] = set()  # what another run is computing
        self._resting: dict[Action, Alarm] = {}  # those that are tried again after a while
        self._unrecorded: deque[PendingRecord] = deque()
        self._asks = many and cache is not None and cache.tier is not None
        unkept = (lambda why: self._inbox.put(Unkept(why))) if many else self._stop_keeping
        self._writer = RecordWriter(cache, unkept, many) if cache else None

    def new_execution(self, inputs: Inputs, listener: Listener) -> Execution:
        """The way of one more item."""
        return Execution(self.subplan, inputs, self.due, listener, self.clean)

    @property
    def busy(self) -> bool:
        """Whether there is anything to be done at once."""
        return bool(self.due or self._leaving or self._unrecorded)

    def turn(self) -> None:
        """Does what is to be done next; waits for a message if there is nothing."""
        if self.due:
            if self._asks and not self.due[0].named:
                self._lookups.ask(self.due)
            self._consider(self.due.popleft())
        elif self._leaving:
            self._send()
        elif self._unrecorded and self._writer is not None:
            self._writer.keep(self._unrecorded.popleft())  # what follows it has been sent on its way before
        else:
            self._listen()

    def cancel(self) -> None:
        """Stops everything, from any thread: `turn` raises Cancelled."""
        self._inbox.put(Cancel())

    def let_go(self) -> None:
        """Stops what still runs, and gives back every lease; what is done is put on record."""
        if self._writer is not None:
            while self._unrecorded:
                self._writer.keep(self._unrecorded.popleft())
            self._writer.close()
        for alarm in self._resting.values():
            alarm.cancel()
        self._in_flight.close()
        self._lookups.close()

    def settle(self) -> None:
        """Waits until all that was computed is on record."""
        if self._writer is not None:
            self._writer.close()
        for message in self._inbox.waiting():
            self._take(message)

    def judge(self, action: Action, failed: Failed) -> None:
        """An action failed: is that its end?"""
        match action.after(failed):
            case Next.RETRY:
                self._retry(action, failed)
            case Next.FAIL:
                self._failed(action, failed)
            case again:
                self._leaving.extend(action.prepare(again))

    # Looking up --------------------------------------------------------------

    def _consider(self, action: Action) -> None:
        """Is the result known, being computed, or to be computed?"""
        if not action.owner.goes_on(action):
            return
        if action.state is ActionState.REMAKING:
            self._leaving.append(action)
            return
        if action.future is not None:  # it was sent ahead, and has its inputs now: what was heard meanwhile counts
            heard, action.early = action.early, ()
            for message in heard:
                if action.state is not ActionState.ENDED:
                    self._take(message)
            return
        self._sort(action, action.look_up(self._lookups))

    def _sort(self, action: Action, found: LookUp) -> None:
        match found:
            case LookUp.KNOWN:
                action.known()
            case LookUp.OURS:
                self._leaving.append(action)
            case LookUp.ELSEWHERE:
                if action not in self._awaited:
                    action.tell(StepWaiting, "the same is being computed already")
                self._awaited.add(action)
            case LookUp.JOINED:
                pass  # it is woken by the one that computes the same

    def _look_again(self) -> None:
        """Have other runs come to an end with what is waited for?"""
        for action in list(self._awaited):
            found = action.look_again(self._lookups) if action.owner.goes_on(action) else LookUp.JOINED
            self._sort(action, found)
            if found is not LookUp.ELSEWHERE:
                self._awaited.discard(action)

    # Computing ---------------------------------------------------------------

    def _send(self) -> None:
        """Gives what is to be computed to the executors."""
        leaving, self._leaving = self._leaving, []
        for action, error in self._in_flight.send(leaving):
            self._abandon(action)
            if error is not None:  # nothing of its item goes on
                for other in self._in_flight.drop(action.owner):
                    self._abandon(other)
                action.owner.refused(error)

    # Messages ----------------------------------------------------------------

    def _listen(self) -> None:
        """Takes what comes next; where that takes long, looks at what others compute."""
        message: Message | None = None
        for message in self._inbox.wait(_POLL if self._awaited else _PULSE if self._many else None):
            self._take(message)
        if message is None:
            self._look_again()

    def _take(self, message: Message) -> None:
        match message:
            case Ended(action, future):
                self._in_flight.landed(action)
                self._on_end(action, future)
            case Heard(action, state, detail):
                if action.owner.goes_on(action):
                    self._on_state(action, state, detail)
            case DueAgain(action):
                if self._resting.pop(action, None) is not None:
                    self._again(action)
            case Unkept(why):
                self._stop_keeping(why)
            case Cancel():
                raise Cancelled("the run was cancelled")

    def _on_state(self, action: Action, state: str, detail: str) -> None:
        if action.state is ActionState.AHEAD and state != "running":  # its start is told when its inputs are there
            action.early += (Heard(action, state, detail),)
        elif action.state in (ActionState.AHEAD, ActionState.REMAKING):
            return
        elif state == "loading":
            action.tell(StepLoading)
        elif state == "running" and action.state is not ActionState.RUNNING:
            action.state = ActionState.RUNNING
            self._provisioning.prepare_after(action.step, action.owner)
            action.started()
        elif state == "log":
            action.tell(StepLogged, self.clean(detail))
        elif state == "restarting":
            action.state = ActionState.SENT
            action.tell(StepRestarted, f"its worker died: {detail}; starting another")

    def _on_end(self, action: Action, future: Future[Outcome]) -> None:
        if not action.owner.goes_on(action):
            if action.state is not ActionState.ENDED:
                self._abandon(action)
        elif action.state is ActionState.AHEAD:
            action.early += (Ended(action, future),)
        elif future.cancelled():
            return
        elif action.state is ActionState.REMAKING:
            outcome = future.result()
            if isinstance(outcome, Done):  # what is on record names what was lost
                self._unrecorded.extend(kept for _, kept in _pending(self._lookups, action, outcome))
            going, broken = action.remade(outcome)
            self._leaving.extend(going)
            for waiting in broken:
                assert isinstance(outcome, Failed)
                self._failed(waiting, outcome)
        elif isinstance(outcome := future.result(), Done):
            self._succeeded(action, outcome)
        else:
            self.judge(action, outcome)

    # Ends --------------------------------------------------------------------

    def _succeeded(self, action: Action, done: Done) -> None:
        """It was computed. What follows goes on its way before the result is put on record."""
        if done.unkept and self._in_flight.keeping:
            self._stop_keeping(done.unkept)
        joined: list[tuple[Computed, list[SingleAction]]] = []
        for each, kept in _pending(self._lookups, action, done):
            self._unrecorded.append(kept)
            joined.append((each, self._lookups.hand_over(kept.key)))
        action.done(done)
        for each, others in joined:
            for other in others:  # they wanted the same, and have it
                if other.owner.goes_on(other):
                    other.found(each.outputs, each.measures)
                    other.known()
        self._abandon(action)  # of a chunk: the rows that failed

    def _retry(self, action: Action, failed: Failed) -> None:
        """It is tried again: at once, or after the delay that its step asks for."""
        step = action.step
        delay = step.retry_delay * step.retry_backoff ** (action.tries - 1)
        when = f" in {delay:g} s" if delay else ""
        action.tell(StepRestarted, f"{self.clean(failed.message)}; trying again{when}")
        action.state = ActionState.WAITING
        if not delay:
            self._again(action)
            return
        self._resting[action] = Clock.of_process().after(delay, lambda: self._inbox.put(DueAgain(action)))

    def _again(self, action: Action) -> None:
        """Where the lease of its key is not ours, another may have computed it meanwhile: it is looked up again."""
        ours = any(self._lookups.holds(key) for key in action.own_keys())
        (self._leaving if ours or not self._many else self.due).append(action)

    def _failed(self, action: Action, failed: Failed) -> None:
        self._abandon(action)
        action.failed(failed)

    def _abandon(self, action: Action) -> None:
        """It will give nothing (more): its leases are given back. Of those that wanted the same, one is next."""
        self.due.extend(self._lookups.abandon(action))

    # Records -----------------------------------------------------------------

    def _stop_keeping(self, why: str) -> None:
        if self._writer is not None:
            self._writer.stop()
        if self._in_flight.keeping:
            self._in_flight.keeping = False
            self._tell(Warned(f"the cache cannot be written ({why}): the run goes on without keeping results"))


def _pending(lookups: Lookups, action: Action, done: Done) -> Iterator[tuple[Computed, PendingRecord]]:
    """What was computed, and how it is to be put on record: not at all, if other code ran than its key says."""
    right = not done.unkept and ran_as_told(action.step.definition.node)
    for each in action.computed(done, lookups):
        key, basis = each.named.key, each.named.basis if right else None
        replace = action.state is ActionState.REMAKING or lookups.refreshes(action.step)  # else the first stays
        kept = PendingRecord(key, basis, each.inputs, each.outputs, each.measures, replace, lookups.holds(key))
        yield each, kept
