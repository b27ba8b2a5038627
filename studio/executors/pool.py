"""Pool: which workers are resident, and which must leave so that another may come.

Pure bookkeeping: no Ray, no thread, no GPU, no clock. It is told what happens and says what to do.

GPUs and memory are held while a worker is resident; CPUs while it runs. A worker leaves only when
it is idle, the least recently used first, and only if that makes the room that is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from studio.resources import Machine, Resources

__all__ = ["Placement", "Pool", "Resident", "State"]

_GRAIN = 1e-6  # fractions of a GPU are floats


class State(Enum):
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
    state: State = State.STARTING
    used: int = 0  # when it was last used, in steps of the pool's own count

    @property
    def running(self) -> bool:
        return self.state is not State.IDLE


@dataclass(frozen=True)
class Placement:
    """What to do for a task: use a worker, or start one once others have left."""

    worker: int
    start: bool = False
    leave: tuple[int, ...] = ()


@dataclass
class Pool:
    """The residents of one machine."""

    machine: Machine
    residents: dict[int, Resident] = field(default_factory=dict)
    footprints: dict[str, int] = field(default_factory=dict)  # bytes, as measured for a key before
    _ids: itertools.count[int] = field(default_factory=itertools.count)
    _ticks: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def place(self, key: str, need: Resources, at_most: int = 1) -> Placement | None:
        """Where a task of this key can go now; None if it must wait. The place is taken at once.

        A worker is started if there are fewer than `at_most` of the key; with 0, only an idle one will do.
        """
        if self._free_cpus() + _GRAIN < need.cpus:
            return None
        mine = [resident for resident in self.residents.values() if resident.key == key]
        idle = [resident for resident in mine if resident.state is State.IDLE]
        if idle:
            chosen = max(idle, key=lambda resident: resident.used)
            self._touch(chosen, State.BUSY)
            return Placement(chosen.id)
        if len(mine) >= at_most:
            return None
        return self._start(key, need)

    def started(self, worker: int, devices: tuple[int, ...] | None = None, memory: int = 0) -> None:
        """A worker is ready for the task it was started for; it says where it really is and what it weighs."""
        resident = self.residents[worker]
        resident.devices = resident.devices if devices is None else devices
        resident.memory = max(resident.need.memory, memory)
        self.footprints[resident.key] = resident.memory
        self._touch(resident, State.BUSY)

    def finished(self, worker: int) -> None:
        """A worker has no task any more."""
        if worker in self.residents:
            self._touch(self.residents[worker], State.IDLE)

    def left(self, worker: int) -> None:
        """A worker is gone."""
        self.residents.pop(worker, None)

    def _touch(self, resident: Resident, state: State) -> None:
        resident.state, resident.used = state, next(self._ticks)

    def _start(self, key: str, need: Resources) -> Placement | None:
        memory = max(need.memory, self.footprints.get(key, 0))
        leave = self._room(need, memory)
        if leave is None:
            return None
        for resident in leave:
            self.left(resident.id)
        worker = Resident(next(self._ids), key, need, self._devices(need), memory)
        self._touch(worker, State.STARTING)
        self.residents[worker.id] = worker
        return Placement(worker.id, start=True, leave=tuple(resident.id for resident in leave))

    def _room(self, need: Resources, memory: int) -> list[Resident] | None:
        """The idle workers that must leave, least recently used first; None if that would not do."""
        idle = sorted((r for r in self.residents.values() if r.state is State.IDLE), key=lambda r: r.used)
        leave: list[Resident] = []
        while not self._fits(need, memory, leave):
            if not idle:
                return None
            leave.append(idle.pop(0))
        for resident in list(leave):  # the oldest ones may turn out to stand in nobody's way
            others = [other for other in leave if other is not resident]
            if self._fits(need, memory, others):
                leave = others
        return leave

    def _fits(self, need: Resources, memory: int, without: Iterable[Resident]) -> bool:
        gone = {resident.id for resident in without}
        stay = [resident for resident in self.residents.values() if resident.id not in gone]
        crowded = stay and sum(resident.memory for resident in stay) + memory > self.machine.memory
        return not crowded and self._devices_among(need, stay) is not None

    def _free_cpus(self) -> float:
        return self.machine.cpus - sum(r.need.cpus for r in self.residents.values() if r.running)

    def _devices(self, need: Resources) -> tuple[int, ...]:
        return self._devices_among(need, self.residents.values()) or ()

    def _devices_among(self, need: Resources, residents: Iterable[Resident]) -> tuple[int, ...] | None:
        """The GPUs that a worker would get: a share of the fullest that has room, or whole free ones."""
        free = [1.0] * self.machine.gpus
        for resident in residents:
            share = resident.need.gpus / max(1, len(resident.devices))
            for device in resident.devices:
                free[device] -= share
        if need.gpus == 0:
            return ()
        wanted = max(1, int(need.gpus))
        share = min(need.gpus, 1.0)
        open_ = sorted((d for d in range(len(free)) if free[d] + _GRAIN >= share), key=lambda d: (free[d], d))
        return tuple(open_[:wanted]) if len(open_) >= wanted else None
