"""Residency: which workers are resident, where one more fits, and which idle ones it would push out.

Pure bookkeeping: no Ray, no thread, no GPU, no clock. It is told what happens and says what to do.

GPUs and memory are held while a worker is resident; CPUs while it runs. A worker leaves only when
it is idle, the least recently used first, and only if that makes the room that is needed. For one
who has waited too long, room is claimed: the workers in the way get nothing more to do, and leave.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from studio.executors.pool.footprints import Footprint, Footprints
from studio.node.resources import Machine, Resources

__all__ = ["Placement", "Residency", "Resident", "WorkerState"]

_GRAIN = 1e-6  # fractions of a GPU are floats


class WorkerState(Enum):
    """What a resident worker is doing."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"


@dataclass
class Resident:
    """A worker that has its place."""

    id: int
    key: str
    need: Resources
    devices: tuple[int, ...] = ()
    memory: int = 0
    gpu_memory: int = 0  # on each of its devices
    state: WorkerState = WorkerState.STARTING
    used: int = 0  # when it was last used, in steps of the pool's own count
    tasks: int = 0  # that it was given so far
    reserved: bool = False  # it is to leave as soon as it can
    rested: float = 0.0  # when it became idle, by the clock of whoever told so

    @property
    def running(self) -> bool:
        return self.state is not WorkerState.IDLE


@dataclass(frozen=True)
class Placement:
    """What to do for a task: use a worker, or start one once others have left."""

    worker: int
    start: bool = False
    leave: tuple[int, ...] = ()


def _anybody(_: Resident) -> bool:
    return True


@dataclass
class Residency:
    """The residents of one machine."""

    machine: Machine
    residents: dict[int, Resident] = field(default_factory=dict)
    footprints: Footprints = field(default_factory=Footprints)
    _ids: itertools.count[int] = field(default_factory=itertools.count)
    _ticks: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def place(
        self, key: str, need: Resources, at_most: int = 1, may_leave: Callable[[Resident], bool] = _anybody
    ) -> Placement | None:
        """Where a task of this key can go now; None if it must wait. The place is taken at once.

        A worker is started if there are fewer than `at_most` of the key; with 0, only an idle one will do.
        Of the idle workers in its way, those leave that `may_leave`.
        """
        worker = self.take(key, need)
        if worker is not None:
            return Placement(worker)
        if not self.has_cpus(need) or sum(resident.key == key for resident in self.residents.values()) >= at_most:
            return None
        return self.start(key, need, may_leave)

    def take(self, key: str, need: Resources) -> int | None:
        """An idle worker of this key, now busy; None if there is none, or no CPU for it."""
        chosen: Resident | None = None
        for resident in self.residents.values():
            if resident.key == key and resident.state is WorkerState.IDLE and not resident.reserved:
                chosen = resident if chosen is None or resident.used > chosen.used else chosen
        if chosen is None or not self.has_cpus(need):
            return None
        chosen.tasks += 1
        self._touch(chosen, WorkerState.BUSY)
        return chosen.id

    def of(self, key: str, state: WorkerState | None = None) -> list[Resident]:
        """The residents of a key, or those of them in a state."""
        return [r for r in self.residents.values() if r.key == key and (state is None or r.state is state)]

    def reserve(self, key: str, need: Resources) -> None:
        """Makes room for somebody who has waited too long: the workers in the way are given nothing more.

        Those go first that have been there longest; none goes whose leaving makes no room.
        """
        ready = [resident for resident in self.residents.values() if resident.state is not WorkerState.STARTING]
        for resident in self._in_the_way(need, self.footprints.of(key), ready) or ():
            resident.reserved = True

    def release_reserved(self) -> None:
        """Lets those who were to leave stay."""
        for resident in self.residents.values():
            resident.reserved = False

    def started(
        self,
        worker: int,
        devices: tuple[int, ...] | None = None,
        memory: int = 0,
        gpu_memory: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """A worker is ready, after so many seconds; it says where it really is and what it weighs."""
        resident = self.residents[worker]
        resident.devices = resident.devices if devices is None else devices
        resident.memory = max(resident.need.memory, memory)
        resident.gpu_memory = gpu_memory
        self.footprints.learn(resident.key, Footprint(resident.memory, gpu_memory, round(seconds, 2)))
        self._touch(resident, WorkerState.BUSY)

    def finished(self, worker: int, now: float | None = None) -> None:
        """A worker has no task any more; with no time told, it is idle since when it was before."""
        if worker in self.residents:
            resident = self.residents[worker]
            resident.rested = resident.rested if now is None else now
            self._touch(resident, WorkerState.IDLE)

    def left(self, worker: int) -> None:
        """A worker is gone."""
        self.residents.pop(worker, None)

    def _touch(self, resident: Resident, state: WorkerState) -> None:
        resident.state, resident.used = state, next(self._ticks)

    def start(self, key: str, need: Resources, may_leave: Callable[[Resident], bool] = _anybody) -> Placement | None:
        """A place for a new worker, and who must leave for it; None if there is no room yet."""
        weight = self.footprints.of(key)
        idle = [r for r in self.residents.values() if r.state is WorkerState.IDLE and (r.reserved or may_leave(r))]
        idle.sort(key=lambda resident: (not resident.reserved, resident.used))
        leave = self._in_the_way(need, weight, idle)
        if leave is None:
            return None
        for resident in leave:
            self.left(resident.id)
        memory = max(need.memory, weight.memory)
        worker = Resident(next(self._ids), key, need, self._devices(need, weight), memory, weight.gpu_memory)
        self._touch(worker, WorkerState.STARTING)
        self.residents[worker.id] = worker
        return Placement(worker.id, start=True, leave=tuple(resident.id for resident in leave))

    def _in_the_way(self, need: Resources, weight: Footprint, candidates: list[Resident]) -> list[Resident] | None:
        """Those of the candidates, in their order, who must leave to make room; None if that would not do."""
        waiting = list(candidates)
        leave: list[Resident] = []
        while not self._fits(need, weight, leave):
            if not waiting:
                return None
            leave.append(waiting.pop(0))
        for resident in list(leave):  # the first ones may turn out to stand in nobody's way
            others = [other for other in leave if other is not resident]
            if self._fits(need, weight, others):
                leave = others
        return leave

    def _fits(self, need: Resources, weight: Footprint, without: Iterable[Resident]) -> bool:
        gone = {resident.id for resident in without}
        stay = [resident for resident in self.residents.values() if resident.id not in gone]
        memory = max(need.memory, weight.memory)
        crowded = stay and sum(resident.memory for resident in stay) + memory > self.machine.memory
        return not crowded and self._devices_among(need, weight, stay) is not None

    def has_cpus(self, need: Resources, kept: float = 0.0) -> bool:
        """Whether the CPUs that a task holds while it runs are free, besides some that are kept for another."""
        return self._free_cpus() + _GRAIN >= need.cpus + kept

    def _free_cpus(self) -> float:
        return self.machine.cpus - sum(r.need.cpus for r in self.residents.values() if r.running)

    def _devices(self, need: Resources, weight: Footprint) -> tuple[int, ...]:
        return self._devices_among(need, weight, self.residents.values()) or ()

    def _devices_among(
        self, need: Resources, weight: Footprint, residents: Iterable[Resident]
    ) -> tuple[int, ...] | None:
        """The GPUs that a worker would get: a share of the fullest that has room, or whole free ones.

        Where it was measured what workers hold of a GPU's memory, that must fit, too.
        """
        if need.gpus == 0:
            return ()
        free = [1.0] * self.machine.gpus
        held = [0] * self.machine.gpus
        for resident in residents:
            share = resident.need.gpus / max(1, len(resident.devices))
            for device in resident.devices:
                free[device] -= share
                held[device] += resident.gpu_memory
        wanted, share = max(1, int(need.gpus)), min(need.gpus, 1.0)
        room = self.machine.gpu_memory or float("inf")
        has_room = [not held[d] or held[d] + weight.gpu_memory <= room for d in range(len(free))]
        open_ = [d for d in range(len(free)) if free[d] + _GRAIN >= share and has_room[d]]
        open_.sort(key=lambda device: (free[device], device))
        return tuple(open_[:wanted]) if len(open_) >= wanted else None
