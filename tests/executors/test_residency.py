"""The pool: who is resident and who must leave. No Ray, no thread, no GPU."""

import itertools
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from studio.executors.pool.residency import Placement, Residency, WorkerState
from studio.node.resources import Machine, Resources

TWO = Machine(cpus=2, gpus=2, memory=100)


def residency(machine=TWO) -> Residency:
    return Residency(machine)


def used(residency: Residency, key: str, need: Resources) -> Placement:
    """Placed, started and finished."""
    place = residency.place(key, need)
    assert place is not None
    if place.start:
        residency.started(place.worker)
    residency.finished(place.worker)
    return place


def test_an_idle_worker_is_used_again():
    it = residency()
    first = used(it, "a", Resources(gpus=1))
    assert first.start
    assert it.place("a", Resources(gpus=1)) == Placement(first.worker)


def test_a_busy_worker_makes_its_kind_wait():
    it = residency()
    assert it.place("a", Resources())
    assert it.place("a", Resources()) is None
    assert it.place("a", Resources(), at_most=2)


def test_whole_gpus_go_to_whole_ones():
    it = residency()
    devices = [it.residents[it.place(key, Resources(gpus=1)).worker].devices for key in "ab"]
    assert sorted(devices) == [(0,), (1,)]
    assert it.place("c", Resources(gpus=1)) is None


def test_fractions_pack_on_one_gpu():
    it = residency()
    devices = [it.residents[it.place(key, Resources(gpus=0.25)).worker].devices for key in "abcd"]
    assert set(devices) == {(0,)}
    assert it.residents[it.place("e", Resources(gpus=1)).worker].devices == (1,)


def test_many_tenths_fill_a_gpu_exactly():
    it = residency(Machine(cpus=1, gpus=1, memory=100))
    assert all(it.place(str(n), Resources(gpus=0.1)) for n in range(10))
    assert it.place("x", Resources(gpus=0.1)) is None


def test_the_least_recently_used_leaves():
    it = residency()
    a, b = used(it, "a", Resources(gpus=1)), used(it, "b", Resources(gpus=1))
    used(it, "a", Resources(gpus=1))
    assert it.place("c", Resources(gpus=1)).leave == (b.worker,)
    assert a.worker in it.residents


def test_only_those_in_the_way_leave():
    """The oldest idle worker holds no GPU: it stays when one is needed."""
    it = residency()
    old, gpu = used(it, "cpu", Resources(memory=10)), used(it, "gpu", Resources(gpus=2))
    assert it.place("new", Resources(gpus=1)).leave == (gpu.worker,)
    assert old.worker in it.residents


def test_memory_is_held_while_resident_and_cpus_while_running():
    it = residency()
    used(it, "a", Resources(cpus=2, memory=60))
    place = it.place("b", Resources(cpus=2, memory=30))  # CPUs are free again, memory is not in the way
    assert place.leave == ()
    assert it.place("c", Resources(cpus=1)) is None
    it.finished(place.worker)
    assert len(it.place("d", Resources(memory=90)).leave) == 2


def test_a_measured_footprint_counts_from_then_on():
    it = residency()
    first = it.place("a", Resources(memory=10))
    it.started(first.worker, memory=80)
    it.finished(first.worker)
    assert it.place("b", Resources(memory=30)).leave == (first.worker,)


def test_a_worker_alone_always_fits_its_measure():
    """A worker may weigh more than the machine has: it still runs, by itself."""
    it = residency()
    first = it.place("a", Resources())
    it.started(first.worker, memory=500)
    it.finished(first.worker)
    assert it.place("b", Resources()).leave == (first.worker,)
    assert it.place("a", Resources()) is None


@st.composite
def needs(draw):
    return Resources(
        cpus=draw(st.sampled_from([0, 0.5, 1, 2])),
        gpus=draw(st.sampled_from([0, 0.1, 0.25, 0.3, 0.5, 0.7, 1, 2])),
        memory=draw(st.sampled_from([0, 10, 50, 100])),
    )


def check(it: Residency, busy: set[int]) -> None:
    """What must hold at any moment."""
    free = [1.0] * it.machine.gpus
    for resident in it.residents.values():
        for device in resident.devices:
            free[device] -= min(1.0, resident.need.gpus)
        if resident.need.gpus:
            assert len(resident.devices) == max(1, int(resident.need.gpus))
    assert all(room > -1e-4 for room in free), "a GPU is shared out more than once"
    assert sum(r.need.memory for r in it.residents.values()) <= it.machine.memory
    assert sum(r.need.cpus for r in it.residents.values() if r.running) <= it.machine.cpus + 1e-4
    assert busy <= it.residents.keys(), "a busy worker had to leave"
    assert {r.id for r in it.residents.values() if r.state is not WorkerState.IDLE} == busy


@given(
    st.lists(needs(), min_size=1, max_size=8),
    st.lists(st.integers(0, 7), max_size=40),
    st.randoms(use_true_random=False),
)
def test_any_work_that_fits_comes_to_its_end(kinds, order, random):
    it, waiting, busy = residency(), deque(order), set()
    for _ in itertools.count():
        for index in list(waiting):
            kind = index % len(kinds)
            place = it.place(str(kind), kinds[kind])
            if place is None:
                continue
            waiting.remove(index)
            assert not busy & set(place.leave)
            assert place.worker not in busy
            busy.add(place.worker)
            check(it, busy)
        if not busy:
            break
        worker = random.choice(sorted(busy))
        busy.discard(worker)
        if it.residents[worker].state is WorkerState.STARTING:
            it.started(worker)
        if random.random() < 0.1:
            it.left(worker)  # it died
        else:
            it.finished(worker)
        check(it, busy)
    assert not waiting, "some work can never start"


def test_ten_workers_take_turns_on_two_gpus():
    it, waiting, ended, most = residency(), deque(range(10)), [], 0
    while waiting or it.residents:
        placed = [(n, place) for n in list(waiting) if (place := it.place(str(n), Resources(gpus=1)))]
        most = max(most, len(placed))
        if not placed:
            break
        for n, place in placed:
            waiting.remove(n)
            it.started(place.worker)
        for n, place in placed:
            it.finished(place.worker)
            ended.append(n)
    assert sorted(ended) == list(range(10))
    assert most == 2
