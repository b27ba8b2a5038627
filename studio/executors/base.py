"""Executor: takes tasks, gives futures. It knows no graph and no cache.

This is what a run knows of any executor. Those that have workers of their own share `pool/`; one that asks
for those of another process is `service/client.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from functools import partial

from studio.errors import ResourcesMissing
from studio.executors.task import Notify, NotifyMany, Outcome, Recipe, Task
from studio.node.resources import Machine

__all__ = ["Executor", "Notify", "NotifyMany"]


class Executor(ABC):
    """Runs tasks on workers that stay. Safe to share between threads and runs."""

    name: str

    @property
    @abstractmethod
    def machine(self) -> Machine:
        """What there is to share out."""

    @abstractmethod
    def submit(self, task: Task, notify: Notify | None = None) -> Future[Outcome]:
        """Queues a task. `notify` hears of its states (loading, running, restarting) and a detail.

        It also hears `log`, with new whole lines that the node printed, where that is known while it runs; all of
        them stand in the outcome's `log`, too.
        """

    def submit_many(self, tasks: Sequence[Task], notify: NotifyMany | None = None) -> list[Future[Outcome]]:
        """Queues tasks, for less than each by itself would cost. `notify` is told first the place among them."""
        return [self.submit(task, notify and partial(notify, place)) for place, task in enumerate(tasks)]

    @abstractmethod
    def cancel(self, future: Future[Outcome]) -> None:
        """Stops a task, running or not."""

    @abstractmethod
    def close(self) -> None:
        """Ends all that was begun for this executor."""

    def abandon(self) -> None:
        """The same without ado, for a process that is about to end itself."""
        self.close()

    def require(self, step: str, recipe: Recipe) -> None:
        """ResourcesMissing if a worker of this recipe could never run here."""
        if not self.machine.fits(recipe.resources):
            need = f"asks for {recipe.resources}, but there are only {self.machine}"
            raise ResourcesMissing(f"step '{step}' ({recipe.name}) {need}")

    def fit_together(self, recipes: Iterable[Recipe]) -> bool:
        """Whether a worker of each could be resident at the same time."""
        return True

    def quick(self, recipe: Recipe) -> bool:
        """Whether tasks of this recipe end so soon that what follows should be submitted at once, on promises."""
        return False

    def prepare(self, recipe: Recipe) -> None:  # noqa: B027  those who can, do
        """Sets a worker up that will soon be asked for, if there is room and it costs nobody theirs."""

    def release(self, recipe: Recipe) -> None:  # noqa: B027  others let workers go that are idle for long
        """Ends the workers of a recipe that nobody will ask for again, if they are idle."""

    def wake(self) -> None:  # noqa: B027  most have nothing to do
        """Begins whatever takes long to begin, without waiting for it."""
