"""State: what the parts of a pooled executor share, and the one lock over all of it."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from studio.executors.pool.alarms import Alarms
from studio.executors.pool.calls import Calls
from studio.executors.pool.footprints import Footprints
from studio.executors.pool.logs import LogWatch
from studio.executors.pool.policy import Policy
from studio.executors.pool.queue import Queues
from studio.executors.pool.residency import Residency
from studio.executors.task import Failed, Recipe
from studio.node.resources import Machine
from studio.units import show_bytes

__all__ = ["PoolState", "broken"]

_QUICK = 0.02  # seconds; what takes less is worth preparing the next step for


class PoolState:
    """Who is resident, what waits, what runs, and whose turn it is."""

    def __init__(
        self, machine: Machine, footprints: Path | None, new_lines: Callable[[int], str] | None = None
    ) -> None:
        # The lock order. This mutex comes first: whoever holds it may take the locks of the footprints, the clock,
        # the threads and Ray, and whoever holds one of those never asks for it. That is why answers, alarms and
        # deaths come in threads of their own (ray/listener.py, alarms.py) and not in those of Ray or the clock.
        # Futures are ended after it is released, since what their callbacks lock is not known here. It is
        # reentrant because a future may be done before its callback is added: the callback then runs at once.
        self.mutex = threading.RLock()
        self.alarms = Alarms()
        self.residency = Residency(machine, footprints=Footprints(footprints))
        self.queues = Queues()
        self.calls = Calls(self.queues, self.alarms)
        self.policy = Policy(self.residency, self.queues, self.calls)
        self.logs = LogWatch(self.calls, self.alarms, self.mutex, new_lines)
        self.closed = False

    def never(self, recipe: Recipe) -> str:
        """Why a worker of this recipe could never run here; nothing if it could."""
        machine = self.residency.machine
        if not machine.fits(recipe.resources):
            return f"asks for {recipe.resources}, but there are only {machine}"
        held, room = self.residency.footprints.of(recipe.key).gpu_memory, machine.gpu_memory
        if recipe.resources.gpus and 0 < room < held:
            return f"took {show_bytes(held)} of a GPU when it was last loaded, but a GPU here has {show_bytes(room)}"
        return ""

    def soon(self, recipe: Recipe, tasks: int = 1) -> bool:
        """Whether so many tasks in a row will hardly take long."""
        return tasks * self.policy.pace.of(recipe.key) < _QUICK


def broken(error: BaseException) -> Failed:
    """What becomes of tasks where the executor itself failed: better told than waited for."""
    trace = "".join(traceback.format_exception(error))
    return Failed(f"its executor failed: {type(error).__name__}: {error}", trace)
