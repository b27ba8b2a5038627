"""Whoever serves others survives what it meets: those that it serves are told, and the next are served."""

from concurrent.futures import Future

import pytest

from studio.executors.pool.executor import PooledExecutor, Started
from studio.executors.task import Done, Failed, Recipe, Task, Work
from studio.node.resources import Machine, Resources
from tests import fakes

SOON = 10  # seconds


class Faulty(PooledExecutor):
    """An executor with a fault: `start`, `call` and `stop` are tried before it does as it should."""

    name = "faulty"

    def __init__(self, start=None, call=None, stop=None):
        super().__init__(Machine(cpus=2, gpus=0, memory=8 << 30))
        self.start, self.call, self.stop, self.stopped = start, call, stop, []

    def _start(self, worker, recipe):
        return ended(self.start() if self.start else Started())

    def _call(self, worker, tasks):
        return ended(self.call(tasks) if self.call else [Done({}) for _ in tasks])

    def _stop(self, worker):
        self.stopped.append(worker)
        if self.stop:
            self.stop()


def ended(result):
    future = Future()
    if isinstance(result, Future):
        return result
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


def raises(*_):
    raise ZeroDivisionError("a fault")


def cancelled(*_):
    future = Future()
    future.cancel()
    future.set_running_or_notify_cancel()
    return future


def tasks(count, key="m"):
    kind = Recipe(key, key, fakes.Upper, fakes.Upper.Config(), Resources(), batch=8)
    return [Task(f"t{n}", kind, Work({})) for n in range(count)]


def outcomes(executor, count=3, notify=None):
    """A first task goes alone; the others have queued up by then."""
    held = Future()
    real, executor.start = executor.start, lambda: held
    futures = executor.submit_many(tasks(count), notify)
    executor.start = real
    try:
        started = real() if real else Started()
    except Exception as error:
        started = error
    if isinstance(started, Exception):
        held.set_exception(started)
    else:
        held.set_result(started)
    return [future.result(SOON) for future in futures]


def still_serves(executor):
    executor.start = executor.call = executor.stop = None
    (future,) = executor.submit_many(tasks(1, "another"))
    return isinstance(future.result(SOON), Done)


FAULTY_ANSWERS = {
    "too few": (lambda given: [Done({})], "a worker answered 1 outcomes for 3 tasks"),
    "too many": (lambda given: [Done({})] * 9, "a worker answered 9 outcomes for 3 tasks"),
    "none at all": (lambda given: None, "TypeError"),
    "no outcomes": (lambda given: ["?"] * len(given), "AttributeError"),
    "an error": (lambda given: ValueError("no sense"), "ValueError: no sense"),
    "raised at once": (raises, "ZeroDivisionError: a fault"),
    "cancelled": (cancelled, "CancelledError"),
}


@pytest.mark.parametrize("fault", FAULTY_ANSWERS)
def test_an_answer_that_makes_no_sense_fails_its_tasks(fault):
    call, why = FAULTY_ANSWERS[fault]
    executor = Faulty(call=call)
    found = outcomes(executor)
    assert all(isinstance(outcome, Failed) for outcome in found)
    assert why in found[0].message
    assert still_serves(executor)


def test_a_worker_whose_answer_makes_no_sense_is_ended():
    executor = Faulty(call=lambda given: [])
    assert "its executor failed: ValueError" in outcomes(executor)[0].message
    assert executor.stopped == [0]


FAULTY_STARTS = {
    "no answer": lambda: None,
    "nonsense": lambda: "ready",
    "an error": lambda: ValueError("no sense"),
}


@pytest.mark.parametrize("fault", FAULTY_STARTS)
def test_a_start_that_makes_no_sense_fails_those_that_wait(fault):
    executor = Faulty(start=FAULTY_STARTS[fault])
    found = outcomes(executor)
    assert all(isinstance(outcome, Failed) for outcome in found)
    assert executor.stopped == [0]
    assert executor.troubles["m"] == found[0].message
    assert still_serves(executor)


def test_a_start_that_raises_at_once():
    executor = Faulty(start=raises)
    futures = executor.submit_many(tasks(2))
    assert [future.result(SOON).message for future in futures] == ["ZeroDivisionError: a fault"] * 2
    assert still_serves(executor)


def test_a_listener_that_raises_harms_nobody():
    assert all(isinstance(outcome, Done) for outcome in outcomes(Faulty(), notify=raises))


def test_a_worker_that_cannot_be_ended_harms_nobody():
    executor = Faulty(call=lambda given: [], stop=raises)
    assert all(isinstance(outcome, Failed) for outcome in outcomes(executor))
    assert still_serves(executor)


def test_a_policy_that_raises_fails_those_that_wait(monkeypatch):
    executor = Faulty()
    monkeypatch.setattr(executor._pool.policy, "extended", raises)
    futures = executor.submit_many(tasks(2))
    assert [future.result(SOON).message for future in futures] == [
        "its executor failed: ZeroDivisionError: a fault"
    ] * 2
    monkeypatch.undo()
    assert still_serves(executor)


# Ray's listener ------------------------------------------------------------------


class Reference:
    """Stands for one of Ray's; Ray has ended when it is asked for its future."""

    def future(self):
        raise RuntimeError("Ray has not been started yet")


def listened(ref, convert=lambda sent: sent, soon=False):
    from studio.executors.ray.listener import Listener

    listener, heard = Listener(), []
    for _ in range(2):  # whoever comes after the first is heard, too
        future = Future()
        listener.settle(ref, future, convert, soon)
        heard.append(future.exception(SOON))
    return [str(error) for error in heard]


def test_ray_ends_before_it_is_asked():
    assert listened(Reference()) == ["Ray has not been started yet"] * 2


def test_ray_ends_while_a_quick_task_takes_longer_than_thought(monkeypatch):
    import ray

    def too_late(ref, timeout):
        raise ray.exceptions.GetTimeoutError

    monkeypatch.setattr(ray, "get", too_late)
    assert listened(Reference(), soon=True) == ["Ray has not been started yet"] * 2


@pytest.mark.parametrize("soon", [True, False])
def test_an_answer_of_ray_that_cannot_be_read(monkeypatch, soon):
    import ray

    monkeypatch.setattr(ray, "get", lambda ref, timeout: None)
    ref = Reference()
    ref.future = lambda: ended(None)
    assert listened(ref, raises, soon) == ["a fault"] * 2
