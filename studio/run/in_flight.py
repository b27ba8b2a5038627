"""InFlight: gives actions to executors as tasks, and stops them. What becomes of a task, the inbox hears."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

from studio.cache.cache import Cache
from studio.errors import InputError
from studio.executors.base import Executor
from studio.executors.task import Task
from studio.run.action import Action, ActionState, Owner
from studio.run.inbox import Ended, Heard, Inbox
from studio.run.provisioning import Provisioning

__all__ = ["InFlight"]


class InFlight:
    """That of one run."""

    def __init__(self, provisioning: Provisioning, cache: Cache | None, inbox: Inbox, many: bool) -> None:
        """Of `many` items, nobody watches single tasks while they run."""
        self._provisioning, self._cache, self._inbox, self._many = provisioning, cache, inbox, many
        self._run = secrets.token_hex(8)  # by which executors tell runs apart
        self._flying: set[Action] = set()
        self.keeping = cache is not None  # whether workers put what they make into the store

    def send(self, actions: Iterable[Action]) -> Iterator[tuple[Action, InputError | None]]:
        """Gives actions to their executors, all that are for the same one at once.

        Yields those that are not sent: their item has ended meanwhile, or was given something that is not sound.
        ResourcesMissing says that the machine can never run a step.
        """
        ready: dict[bool, list[Action]] = {False: [], True: []}  # by whether they run inline
        for action in actions:
            if not action.owner.goes_on(action):
                yield action, None
                continue
            try:
                self._provisioning.admit(action.owner)
                action.inputs = action.owner.admitted_inputs(action)
            except InputError as error:
                yield action, error
            else:
                ready[action.step.definition.node.inline].append(action)
        for together in ready.values():
            if together:
                self._submit(self._provisioning.executor(together[0].step), together)

    def landed(self, action: Action) -> None:
        """Its task has come to its end."""
        self._flying.discard(action)
        if self._many:
            action.future = None  # which refers back to it

    def drop(self, owner: Owner | None = None) -> list[Action]:
        """Stops all tasks (of one owner); their actions."""
        dropped = [action for action in self._flying if owner is None or action.owner is owner]
        for action in dropped:
            if action.future is not None and not action.future.done():
                self._provisioning.executor(action.step).cancel(action.future)
        return dropped

    def close(self) -> None:
        """The run is over: stops all tasks, and lets workers go that were of this run alone."""
        self.drop()
        self._provisioning.close()

    def _submit(self, executor: Executor, actions: list[Action]) -> None:
        tasks = [self._task(action) for action in actions]
        self._flying.update(actions)
        put = self._inbox.put

        def notify(place: int, state: str, detail: str) -> None:
            if not self._many or state not in ("running", "log"):
                put(Heard(actions[place], state, detail))

        futures = executor.submit_many(tasks, notify)
        for action, future in zip(actions, futures, strict=True):
            action.future = future
            future.add_done_callback(lambda future, action=action: put(Ended(action, future)))  # type: ignore[misc]
        for action, task in zip(actions, tasks, strict=True):
            if self._many:
                self._provisioning.prepare_after(action.step, action.owner)
            elif self._cache is None and executor.quick(task.recipe):
                action.soon_done()

    def _task(self, action: Action) -> Task:
        recipe = self._provisioning.recipe(action.step)
        action.tries += 1
        if action.state is ActionState.WAITING:
            action.state = ActionState.SENT
            action.waits()
        work = action.work(self._cache.store if self._cache else None, self.keeping, recipe.batch)
        return Task(action.id, recipe, work, action.step.timeout, self._run)
