"""Batches and residency with real workers: threads, and processes of Ray's."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import studio
from studio.cache.packing import pack, unpack
from studio.executors import NAMES, executor_class
from studio.executors.handles import fetched
from studio.executors.task import Done, Failed, Recipe, Task, Work
from tests.executors.test_contract import MACHINE, MARKS


class Together(studio.Node):
    """Text, with the size of the batch that it came in. `slow` texts give others the time to queue up."""

    class Config(studio.Node.Config):
        name: str = ""

    def run(self, text: str) -> str:
        return self.run_batch([{"text": text}])[0]

    def run_batch(self, inputs: list[dict]) -> list:
        import os
        import signal
        import time

        texts = [given["text"] for given in inputs]
        if "whole" in texts and len(texts) > 1:
            raise RuntimeError("not in a batch")
        if "poison" in texts:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.3 * texts.count("slow"))
        return [ValueError(f"bad: {text}") if text == "bad" else f"{text} {len(texts)}" for text in texts]


class Sounds(studio.Node):
    """As many samples as it is told, in batches."""

    def run(self, number: int) -> studio.Audio:
        return self.run_batch([{"number": number}])[0]

    def run_batch(self, inputs: list[dict]) -> list:
        import time

        import numpy as np

        time.sleep(0.2)
        return [studio.Audio(np.full(given["number"], 0.25, np.float32), 8000) for given in inputs]


class Length(studio.Node):
    """How many samples there are."""

    def run(self, audio: studio.Audio) -> int:
        return len(audio.samples)


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in NAMES])
def executor(request):
    if request.param in ("ray", "warm"):
        yield request.getfixturevalue(f"{request.param}_executor")
    else:
        found = executor_class(request.param)(MACHINE)
        yield found
        found.close()


def recipe(node, name, **more):
    config = node.Config(name=name) if "name" in node.Config.model_fields else node.Config()
    return Recipe(f"{node.__name__} {name}", name, node, config, studio.Resources(), portable=False, **more)


def submit(executor, kind, *texts, **more):
    return [
        executor.submit(Task(text, kind, Work({"text": pack("text", text)[0]}), **more), more.get("notify"))
        for text in texts
    ]


def told(futures):
    """What each gave, or its message."""
    outcomes = [future.result(60) for future in futures]
    return [
        unpack(done.outputs["text"], fetched, None) if isinstance(done, Done) else done.message.partition(" (")[0]
        for done in outcomes
    ]


def test_a_batch_is_computed_together(executor):
    kind = recipe(Together, "batch", batch=4)
    told(submit(executor, kind, "warm"))
    assert told(submit(executor, kind, "slow", "a", "b", "c", "d", "e")) == [
        "slow 1",
        *("a 4", "b 4", "c 4", "d 4"),
        "e 1",
    ]


def test_one_bad_item_fails_alone(executor):
    kind = recipe(Together, "bad", batch=4)
    assert told(submit(executor, kind, "slow", "a", "bad", "c"))[1:] in (
        ["a 3", "ValueError: bad: bad", "c 3"],
        ["a 4", "ValueError: bad: bad", "c 4"],  # all came while the worker was set up
    )


def test_a_batch_that_fails_as_a_whole_runs_one_by_one(executor):
    kind = recipe(Together, "whole", batch=4)
    told(submit(executor, kind, "warm"))
    assert told(submit(executor, kind, "slow", "a", "whole", "c"))[1:] == ["a 1", "whole 1", "c 1"]


def test_values_of_a_batch_come_to_the_right_ones(executor):
    kind, length = recipe(Sounds, "sounds", batch=8), recipe(Length, "length", batch=8)
    sizes = [100_000, 3, 200_000, 1, 50]
    works = [Work({"number": pack("number", size)[0]}) for size in sizes]
    for _ in range(2):
        made = [future.result(60) for future in [executor.submit(Task("s", kind, work)) for work in works]]
        assert [unpack(done.outputs["audio"], fetched, None).samples.shape for done in made] == [(n,) for n in sizes]
        assert float(np.max(unpack(made[0].outputs["audio"], fetched, None).samples)) == 0.25
        lengths = [executor.submit(Task("l", length, Work({"audio": done.outputs["audio"]}))) for done in made]
        assert [unpack(f.result(60).outputs["number"], fetched, None) for f in lengths] == sizes


def test_a_share_of_the_time_is_told_to_each(executor):
    kind = recipe(Together, "time", batch=4)
    told(submit(executor, kind, "warm"))
    futures = submit(executor, kind, "slow", "a", "slow", "c")
    told(futures)
    first, *done = [future.result() for future in futures]
    assert (first.measures.batch, [each.measures.batch for each in done]) == (1, [3, 3, 3])
    assert all(0.08 < each.measures.seconds < 0.28 for each in done)  # of 0.3 or so
    assert all(each.measures.spans["compute"] == each.measures.seconds for each in done)


def test_many_tasks_at_once(executor):
    """Quick ones of two kinds, a failing one among them: each gets what is its own, and is told of by its place."""
    together, length = recipe(Together, "many", batch=4), recipe(Length, "many lengths")
    texts = [f"t{n}" if n != 77 else "bad" for n in range(300)]
    tasks = [Task(text, together, Work({"text": pack("text", text)[0]})) for text in texts]
    sound = executor.submit(Task("s", recipe(Sounds, "many"), Work({"number": pack("number", 9)[0]}))).result(60)
    tasks += [Task("l", length, Work({"audio": sound.outputs["audio"]}))] * 20
    heard = []
    futures = executor.submit_many(tasks, lambda place, state, detail: heard.append((place, state)))
    found = told(futures[:300])
    assert found.pop(77) == "ValueError: bad: bad"
    assert [each.split()[0] for each in found] == [text for text in texts if text != "bad"]
    assert max(int(each.split()[1]) for each in found) == 4  # many a call, and never more than four together
    assert [unpack(future.result(60).outputs["number"], fetched, None) for future in futures[300:]] == [9] * 20
    assert {place for place, state in heard if state == "running"} == set(range(320))


@pytest.mark.ray
def test_a_poison_item_of_a_batch_fails_alone(ray_executor):
    kind = recipe(Together, "poison", batch=8)
    told(submit(ray_executor, kind, "warm"))
    found = told(submit(ray_executor, kind, "slow", "a", "b", "poison", "c"))
    assert "its worker died 3 times, each time in this step" in found.pop(3)
    assert [each.split()[0] for each in found] == ["slow", "a", "b", "c"]


@pytest.mark.ray
def test_a_worker_killed_from_outside_loses_nobody(ray_executor):
    kind = recipe(Together, "outside", batch=8)
    told(submit(ray_executor, kind, "warm"))
    (resident,) = ray_executor.residency.of(kind.key)
    process = ray_executor.process(resident.id)
    first = submit(ray_executor, kind, "slow", "slow", "a", "b")
    threading.Timer(0.4, os.kill, (process, signal.SIGKILL)).start()
    assert [each.split()[0] for each in told(first)] == ["slow", "slow", "a", "b"]


class Stage(studio.Node):
    """One of many models, each of which wants more than half a GPU; a line in a file for each load."""

    class Config(studio.Node.Config):
        tally: str
        number: int = 0
        loading: float = 0.0

    def setup(self) -> None:
        with open(self.config.tally, "a") as file:
            file.write(f"{self.config.number}\n")
        time.sleep(self.config.loading)  # a model is kept for as long as it took to load

    def run(self, text: str) -> str:
        return f"{text}{self.config.number}"


@pytest.mark.parametrize("together", [True, False])
def test_six_models_on_two_gpus(executor, tally, together):
    """Twenty inputs through six models of which two fit: a hand-planned order of stages loads each once."""
    steps = [
        f"  s{n}: {{use: Stage, in: {{text: {f's{n - 1}' if n else 'text'}}}, "
        f"with: {{tally: '{tally}', number: {n}, loading: {1.0 if together else 0.0}}}, resources: {{gpus: 0.6}}}}"
        for n in range(6)
    ]
    graph = studio.load("inputs: {text: text}\nnodes:\n" + "\n".join(steps) + "\noutputs: {x: s5}", nodes=[Stage])
    inputs = [f"{n} " for n in range(20 if together else 2)]

    def run(text: str) -> str:
        return graph.run(text=text, options={"executor": executor, "cache": False})["x"]

    with ThreadPoolExecutor(len(inputs) if together else 1) as threads:
        assert list(threads.map(run, inputs)) == [f"{text}012345" for text in inputs]
    loads = len(tally.read_text().splitlines())
    assert loads <= (6 + 2 if together else 12)


def test_failed_is_not_done(executor):
    """The shape that run.py relies on."""
    outcome = submit(executor, recipe(Together, "shape"), "bad")[0].result(60)
    assert isinstance(outcome, Failed)
    assert not outcome.lost
    assert not outcome.upstream
