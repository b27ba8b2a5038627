"""Whoever serves others survives what it meets: those that it serves are told, and the next are served."""

import json
import os
import socket
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

import studio
from studio.executors.pool.executor import PooledExecutor, Started
from studio.executors.service.address import Address
from studio.executors.service.channel import Channel, ChannelClosed
from studio.executors.service.client import WarmExecutor
from studio.executors.service.server import Service
from studio.executors.task import Done, Failed, Recipe, Task, Work
from studio.node.resources import Machine, Resources
from studio.values.artifact import Artifact
from tests.support import fakes

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
    "no outcomes": (lambda given: ["?"] * len(given), "a worker answered a str instead of an outcome"),
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


# A service and its clients ----------------------------------------------------------


class Upper(studio.Node):
    def run(self, text: str) -> str:
        return text.upper()


GRAPH = "nodes: {u: {use: Upper, with: {text: a}}}\noutputs: {x: u}"
OF_A_SERVICE = "made there"


def made(given):
    """What a service's worker gives for any task."""
    return [Done({"text": Artifact.of_plain("text", json.dumps(OF_A_SERVICE).encode())}) for _ in given]


@pytest.fixture
def service(monkeypatch, tmp_path):
    """A service in this process, whose workers are strings in a list."""
    monkeypatch.setenv("STUDIO_STATE", str(tmp_path / "state"))
    with tempfile.TemporaryDirectory() as short:
        found = Service(Faulty(call=made), Path(short) / "service", 60)
        Address.here(Path(short) / "service").write()
        serving = threading.Thread(target=found.serve, daemon=True)
        serving.start()
        yield found
        found.ended.set()
        serving.join(SOON)


def run_of(executor):
    return studio.load(GRAPH, nodes=[Upper]).run(options={"executor": executor, "cache": False})


def lets_in(service):
    executor = WarmExecutor()
    try:
        return run_of(executor)["x"] == OF_A_SERVICE
    finally:
        executor.close()


NONSENSE = {
    "no list": 3,
    "no message": [["Dance"]],
    "too little": [["Cancel"]],
    "too much": [["Hello", 1, 2]],
    "what a service says": [["Bye"]],
    "a recipe that is none": [["NewRecipe", ["?"]]],
    "numbers that are none": [["Forget", 3]],
    "nothing to load": [["Preload", [None]]],
}


@pytest.mark.parametrize("what", NONSENSE)
def test_a_client_that_says_nonsense_is_left(service, what):
    channel = Address.found().connect()
    channel.send(NONSENSE[what])
    with pytest.raises(ChannelClosed):
        channel.receive()
    assert lets_in(service)


@pytest.mark.parametrize("work", [None, ["one", {"text": ["text"]}, None, True], ["one", {}, 3, True], []])
def test_a_task_that_cannot_be_read_ends_alone(service, work):
    channel = Address.found().connect()
    channel.send([["Submit", 1, "no such recipe", "s", work, None, "run"], ["Hello"]])
    said = []
    while len(said) < 2:
        said += channel.receive()
    assert said[0][:2] == ["Ended", 1]
    assert "its executor failed" in said[0][2][1]
    assert said[1][0] == "Welcome"
    channel.close()


def test_a_value_that_nobody_made_is_told(service):
    channel = Address.found().connect()
    channel.send([["Fetch", 7, 99, 0]])
    ((what, request, data, why),) = channel.receive()
    assert (what, request, data) == ("Value", 7, None)
    assert why
    channel.close()


def test_a_client_that_cannot_be_answered_is_left(service, monkeypatch):
    monkeypatch.setattr(service, "status", lambda: {"what": object()})
    channel = Address.found().connect()
    channel.send([["GetStatus"]])
    with pytest.raises(ChannelClosed):
        channel.receive()
    assert lets_in(service)


def test_a_client_for_whom_there_is_no_thread(service, monkeypatch):
    real = threading.Thread.start

    def start(thread):
        if thread.name == "service-client":
            monkeypatch.undo()
            raise RuntimeError("can't start new thread")
        real(thread)

    state = os.environ["STUDIO_STATE"]
    monkeypatch.setattr(threading.Thread, "start", start)
    channel = Address.found().connect()
    with pytest.raises(ChannelClosed):
        channel.receive()
    monkeypatch.setenv("STUDIO_STATE", state)
    assert lets_in(service)


STRANGE = {
    "no list": 3,
    "no message": [["Dance"]],
    "what a client says": [["Hello"]],
    "too little": [["Ended", 0]],
    "an outcome that is none": [["Ended", 0, [True], 1]],
    "a value that nobody asked for": [["Value", 99, None, ""]],
}


@pytest.fixture
def strange(monkeypatch, tmp_path):
    """A service that answers a task with what it is told to."""
    monkeypatch.setenv("STUDIO_STATE", str(tmp_path / "state"))
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as door:
        door.bind(f"{short}/service")
        door.listen()
        Address.here(Path(short) / "service").write()
        answer = []

        def serve():
            channel = Channel(door.accept()[0])
            channel.receive()
            channel.send([["Welcome", Machine(cpus=1).model_dump()]])
            while channel.receive()[-1][0] != "Submit":
                pass
            channel.send(answer[0])

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield answer
        serving.join(SOON)


@pytest.mark.parametrize("what", STRANGE)
def test_a_service_that_says_nonsense_is_left(strange, what):
    strange.append(STRANGE[what])
    executor = WarmExecutor()
    with pytest.raises(studio.StepError, match="says what this process does not understand") as caught:
        run_of(executor)
    assert caught.value.exit_code == 5
    assert not executor.lives
