"""Whose turn it is: batches, replicas, residency and deaths, on an executor whose workers are strings in a list."""

import random
import threading
import time
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from itertools import pairwise

import pytest

from studio import Measures
from studio.errors import ResourcesMissing
from studio.executors.pool import policy as turns
from studio.executors.pool.executor import InputLost, PooledExecutor, Started, WorkerDied
from studio.executors.pool.footprints import Footprint
from studio.executors.pool.queue import Submission
from studio.executors.task import Done, Failed, Recipe, Task, Work
from studio.node.resources import Machine, Resources
from studio.values.artifact import Artifact
from tests.support import fakes

TWO = Machine(cpus=2, gpus=2, memory=8 << 30)


class Puppets(PooledExecutor):
    """Workers that do nothing until they are told to."""

    name = "puppets"

    def __init__(self, machine=TWO, *, prompt=True, **more):
        super().__init__(machine, **more)
        self.prompt = prompt  # whether workers are ready at once
        self.starting, self.calls, self.loads, self.stopped = {}, {}, [], []

    def _start(self, worker, recipe):
        self.loads.append(recipe.name)
        future = Future()
        if self.prompt:
            future.set_result(Started())
        else:
            self.starting[worker] = future
        return future

    def _call(self, worker, tasks):
        self.calls[worker] = ([task.step for task in tasks], Future())
        return self.calls[worker][1]

    def _stop(self, worker):
        self.calls.pop(worker, None)
        self.stopped.append(worker)

    def given(self):
        """What each worker now has, in order of their ids."""
        return [steps for _, (steps, _) in sorted(self.calls.items())]

    def finish(self, worker=None, seconds=0.0):
        """Each task says that it took so long; by default nobody measured."""
        worker = min(self.calls) if worker is None else worker
        steps, future = self.calls.pop(worker)
        future.set_result([Done({}, Measures(seconds)) for _ in steps])
        return steps

    def die(self, worker=None):
        worker = min(self.calls) if worker is None else worker
        steps, future = self.calls.pop(worker)
        future.set_exception(WorkerDied("killed"))
        return steps


def recipe(name="m", **more):
    resources = more.pop("resources", Resources())
    return Recipe(name, name, fakes.Upper, fakes.Upper.Config(), resources, **more)


def submit(executor, kind, steps, run="r", **more):
    return {
        step: executor.submit(Task(step, kind, Work({}), run=run, **more), more.get("notify")) for step in steps.split()
    }


@pytest.fixture
def puppets():
    found = Puppets()
    yield found
    found.close()


# Batches ---------------------------------------------------------------------


def test_an_idle_worker_takes_what_has_queued_up(puppets):
    futures = submit(puppets, recipe(batch=3), "a b c d e")
    assert puppets.given() == [["a"]]  # it never waits for more
    puppets.finish()
    assert puppets.given() == [["b", "c", "d"]]
    puppets.finish()
    assert puppets.given() == [["e"]]
    puppets.finish()
    assert all(isinstance(future.result(0), Done) for future in futures.values())


def test_what_queued_up_while_a_worker_loaded_is_its_first_batch():
    puppets = Puppets(prompt=False)
    submit(puppets, recipe(batch=8), "a b c")
    puppets.starting[0].set_result(Started())
    assert puppets.given() == [["a", "b", "c"]]


def test_without_a_batch_tasks_go_one_by_one(puppets):
    submit(puppets, recipe(), "a b c")
    puppets.finish()
    assert puppets.given() == [["b"]]


def test_a_task_with_a_limit_is_given_alone(puppets):
    kind = recipe(batch=8)
    submit(puppets, kind, "a b")
    submit(puppets, kind, "limited", timeout=100)
    submit(puppets, kind, "c")
    puppets.finish()
    assert puppets.given() == [["b"]]
    puppets.finish()
    assert puppets.given() == [["limited"]]
    puppets.finish()
    assert puppets.given() == [["c"]]


def test_replicas_share_what_there_is(puppets):
    kind = recipe(batch=8, replicas=2)
    submit(puppets, kind, "a b")
    assert sorted(puppets.given()) == [["a"], ["b"]]
    assert puppets.loads == ["m", "m"]
    submit(puppets, kind, "c d e f")
    puppets.finish(0)
    assert ["c", "d", "e", "f"] in puppets.given()  # one is free: it takes all
    puppets.finish(0)
    puppets.finish(1)
    with puppets._pool.mutex:  # both are free while four come
        for step in "ghij":
            puppets._pool.queues.add(Submission(Task(step, kind, Work({}))))
    puppets._dispatcher.pump()
    assert sorted(puppets.given()) == [["g", "h"], ["i", "j"]]


def test_never_more_workers_than_replicas_or_than_room(puppets):
    submit(puppets, recipe(replicas=3), "a b c d e")
    submit(puppets, recipe("gpu", replicas=5, resources=Resources(gpus=1)), "f g h")
    assert sorted(puppets.loads) == ["gpu", "gpu", "m", "m", "m"]


def test_runs_take_turns(puppets):
    kind = recipe()
    submit(puppets, kind, "a0 a1 a2 a3 a4", run="a")
    submit(puppets, kind, "b0 b1", run="b")
    order = []
    while puppets.calls:
        order += puppets.finish()
    assert order == ["a0", "a1", "b0", "a2", "b1", "a3", "a4"]


# Many at once ----------------------------------------------------------------


def many(executor, kind, count, run="r"):
    return executor.submit_many([Task(f"t{n}", kind, Work({}), run=run) for n in range(count)])


def sizes(puppets, seconds):
    """How many tasks each call had, one worker finishing all."""
    found = []
    while puppets.calls:
        found.append(len(puppets.finish(seconds=seconds)))
    return found


def test_many_tasks_are_queued_at_once(puppets):
    heard = []
    tasks = [Task(f"t{n}", recipe(batch=2), Work({})) for n in range(4)]
    futures = puppets.submit_many(tasks, lambda *told: heard.append(told))
    assert puppets.given() == [["t0", "t1"]]  # it was given nothing before all were there
    assert heard == [(0, "loading", ""), (0, "running", ""), (1, "running", "")]
    puppets.finish()
    puppets.finish()
    assert all(isinstance(future.result(0), Done) for future in futures)


def test_many_tasks_after_the_end(puppets):
    puppets.close()
    assert [future.result(0).message for future in many(puppets, recipe(), 2)] == ["the executor was closed"] * 2


@pytest.mark.parametrize(
    ("seconds", "found"),
    [(0.0001, [1, 2, 4, 8, 16, 32, 64, 128, 45]), (0.02, [1, 2, 4, 5, 5, 5, 5]), (0.06, [1] * 5), (0.0, [1] * 5)],
)
def test_quick_tasks_share_calls_of_some_hundred_milliseconds(puppets, seconds, found):
    futures = many(puppets, recipe(), sum(found))
    assert sizes(puppets, seconds) == found
    assert all(isinstance(future.result(0), Done) for future in futures)


def test_quick_tasks_that_are_computed_together_come_in_whole_batches(puppets):
    many(puppets, recipe(batch=8), 8 + 16 + 32 + 48 + 3)
    assert sizes(puppets, 0.001) == [8, 16, 32, 48, 3]


def test_a_call_that_took_long_is_believed_at_once(puppets):
    many(puppets, recipe(), 100)
    for size in (1, 2, 4, 8):
        assert len(puppets.finish(seconds=0.001)) == size
    assert len(puppets.finish(seconds=0.04)) == 16
    assert len(puppets.finish(seconds=0.04)) == 2


def test_quick_tasks_leave_some_to_every_worker_that_there_may_be(puppets):
    kind = recipe(replicas=4)
    puppets.residency.footprints.learn("m", Footprint(seconds=0.001))
    many(puppets, kind, 1)
    puppets.finish(seconds=0.001)
    many(puppets, kind, 2)
    while puppets.calls:
        puppets.finish(seconds=0.001)
    many(puppets, kind, 40)
    assert max(map(len, puppets.given())) <= 10


def test_a_quick_task_with_a_limit_is_given_alone_all_the_same(puppets):
    kind = recipe()
    many(puppets, kind, 1 + 2 + 4)
    assert sizes(puppets, 0.001) == [1, 2, 4]
    submit(puppets, kind, "a")
    submit(puppets, kind, "b c")
    submit(puppets, kind, "d", timeout=100)
    submit(puppets, kind, "e")
    order = []
    while puppets.calls:
        order.append(puppets.finish(seconds=0.001))
    assert order == [["a"], ["b", "c"], ["d"], ["e"]]


def test_cancelling_one_of_many_leaves_the_others(puppets):
    kind = recipe()
    many(puppets, kind, 3)
    puppets.finish(seconds=0.001)
    futures = many(puppets, kind, 4)
    puppets.finish(seconds=0.001)
    assert puppets.given() == [["t0", "t1", "t2", "t3"]]
    puppets.cancel(futures[1])
    puppets.finish()
    assert [future.cancelled() for future in futures] == [False, True, False, False]
    assert puppets.stopped == []


def test_a_poison_among_many_quick_ones_fails_alone(puppets):
    kind = recipe()
    many(puppets, kind, 1 + 2)
    sizes(puppets, 0.001)
    futures = many(puppets, kind, 4)
    while puppets.calls:
        if "t2" in puppets.given()[0]:
            puppets.die()
        else:
            puppets.finish(seconds=0.001)
    assert [type(future.result(0)) for future in futures] == [Done, Done, Failed, Done]


# Alike -----------------------------------------------------------------------


def sized(executor, kind, sizes, run="r", **more):
    """Tasks that are called by the size of what they are given."""
    works = [Work({"audio": Artifact("audio", "d" * 64, size, stored=True)}) for size in sizes]
    tasks = [Task(str(size), kind, work, run=run, **more) for size, work in zip(sizes, works, strict=True)]
    return executor.submit_many(tasks)


def batches(puppets):
    found = []
    while puppets.calls:
        found.append([int(step) for step in puppets.finish()])
    return found


def test_a_batch_is_filled_with_what_is_nearest_in_size_to_the_first(puppets):
    sized(puppets, recipe(batch=3), [50, 900, 51, 2, 49, 1, 905, 3, 910])
    assert batches(puppets) == [[50, 51, 49], [900, 905, 910], [2, 1, 3]]


def test_batches_of_equal_sizes_keep_their_order(puppets):
    tasks = [Task(str(n), recipe(batch=3), Work({"a": Artifact("audio", "d", 5)})) for n in range(8)]
    puppets.submit_many(tasks)
    assert batches(puppets) == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_the_first_always_goes(puppets):
    """One that is like no other is in the first batch all the same, however many wait that are alike."""
    sized(puppets, recipe(batch=4), [10_000, *range(1, 100)])
    assert 10_000 in batches(puppets)[0]


def test_nobody_is_passed_over_for_ever(puppets):
    kind = recipe(batch=4)
    sized(puppets, kind, [1, 5000, *[1] * 14])
    order = []
    while 5000 not in order:
        order += [int(step) for step in puppets.finish()]
        sized(puppets, kind, [1] * 8)  # and they never end
    assert len(order) <= 4 * 2 + 4


def test_only_the_next_of_the_line_are_looked_at(puppets):
    sized(puppets, recipe(batch=2), [7, *[100] * 8, 7])
    assert batches(puppets)[0] == [7, 100]


def test_runs_take_turns_among_those_alike(puppets):
    kind = recipe(batch=2)
    sized(puppets, kind, [1])
    sized(puppets, kind, [10, 99, 98, 11], run="a")
    sized(puppets, kind, [97, 12, 13, 96], run="b")
    assert batches(puppets) == [[1], [10, 11], [97, 98], [12, 13], [99, 96]]


def test_what_is_computed_one_by_one_is_not_sorted(puppets):
    sized(puppets, recipe(), [5, 1, 4])
    assert batches(puppets) == [[5], [1], [4]]


def test_a_whole_line_alike_or_not_is_given_once_each(puppets):
    """Whatever sizes, runs and batches: every task is given, once."""
    rng = random.Random(7)
    kind = recipe(batch=5, replicas=2)
    futures = []
    for n in range(300):
        limit = 100 if rng.random() < 0.05 else None
        futures += sized(puppets, kind, [rng.choice([1, 2, 50, 51, 1000])], run=f"r{n % 3}", timeout=limit)
        if rng.random() < 0.1:
            puppets.cancel(rng.choice(futures))
        if puppets.calls and rng.random() < 0.1:
            puppets.finish(seconds=0.001)
    given = batches(puppets)
    assert all(len(each) <= 50 for each in given)
    assert all(future.done() for future in futures)
    assert not puppets._pool.queues


# Deaths ----------------------------------------------------------------------


def test_a_poison_task_fails_alone(puppets):
    kind = recipe(batch=16)
    first = submit(puppets, kind, "first")
    names = [f"t{n}" for n in range(16)]
    futures = submit(puppets, kind, " ".join(names))
    puppets.finish()
    deaths = 0
    while puppets.calls:
        if "t11" in puppets.given()[0]:
            puppets.die()
            deaths += 1
        else:
            puppets.finish()
    assert isinstance(first["first"].result(0), Done)
    failed = futures.pop("t11").result(0)
    assert failed.message == "its worker died 3 times, each time in this step: killed"
    assert not failed.retryable
    assert all(isinstance(future.result(0), Done) for future in futures.values())
    assert deaths == 4 + 3  # sixteen, eight, four, two, and three times alone


def test_two_poisons_in_one_batch(puppets):
    kind = recipe(batch=8)
    submit(puppets, kind, "first")
    futures = submit(puppets, kind, "a b c d e f")
    puppets.finish()
    while puppets.calls:
        bad = {"b", "e"} & set(puppets.given()[0])
        puppets.die() if bad else puppets.finish()
    ended = {step: type(future.result(0)) for step, future in futures.items()}
    assert ended == {"a": Done, "b": Failed, "c": Done, "d": Done, "e": Failed, "f": Done}


def test_workers_that_die_while_they_are_set_up():
    puppets = Puppets(prompt=False)
    heard = []
    future = puppets.submit(Task("s", recipe(), Work({})), lambda *told: heard.append(told[0]))
    for worker in range(3):
        puppets.starting[worker].set_exception(WorkerDied("killed"))
    assert "its worker died 3 times, each time while it was set up: killed" in future.result(0).message
    assert heard == ["loading", "restarting", "loading", "restarting", "loading"]
    assert len(puppets.loads) == 3


def test_a_further_worker_that_cannot_be_set_up_fails_nobody():
    """The second finds no memory: the first goes on alone, and no other is tried."""
    puppets = Puppets(prompt=False)
    futures = many(puppets, recipe(least=2, replicas=2), 9)
    puppets.starting[0].set_result(Started())
    puppets.starting[1].set_result(Failed("no memory for a second"))
    assert puppets.troubles == {"m": "no memory for a second"}
    while puppets.calls:
        puppets.finish()
    assert all(isinstance(future.result(0), Done) for future in futures)
    assert puppets.loads == ["m", "m"]


def test_the_last_worker_that_cannot_be_set_up_fails_all():
    puppets = Puppets(prompt=False)
    futures = many(puppets, recipe(least=2, replicas=2), 3)
    puppets.starting[0].set_result(Failed("no weights"))
    assert not futures[0].done()
    puppets.starting[1].set_result(Failed("no weights"))
    assert [future.result(0).message for future in futures] == ["no weights"] * 3
    assert puppets.loads == ["m", "m"]


def test_a_worker_that_is_never_ready(puppets):
    puppets.prompt, puppets.loading_limit = False, 0.05
    future = submit(puppets, recipe(), "s")["s"]
    assert "was not ready within 0.05 s and was stopped" in future.result(5).message
    assert puppets.stopped == [0]
    puppets.prompt = True
    submit(puppets, recipe(), "again")
    assert puppets.given() == [["again"]]


def test_a_call_that_cannot_be_sent_is_tried_without_its_mates(puppets):
    kind = recipe(batch=4)
    submit(puppets, kind, "first")
    futures = submit(puppets, kind, "a b c")
    puppets.finish()
    while puppets.calls:
        steps, future = puppets.calls.pop(0)
        if "b" in steps:
            future.set_exception(TypeError("cannot be sent"))
        else:
            future.set_result([Done({}) for _ in steps])
    assert futures["b"].result(0).message == "TypeError: cannot be sent"
    assert isinstance(futures["a"].result(0), Done)
    assert isinstance(futures["c"].result(0), Done)
    assert puppets.stopped == []


def test_a_lost_input_is_told(puppets):
    future = submit(puppets, recipe(), "s")["s"]
    puppets.calls.pop(0)[1].set_exception(InputLost("gone"))
    assert future.result(0).lost
    assert puppets.stopped == []


def test_a_lost_input_that_is_stored_is_read_again(puppets, tmp_path):
    from studio.cache.store import Store

    held = Artifact("audio", "d" * 64, 9, stored=True, handle=object())
    future = puppets.submit(Task("s", recipe(), Work({"audio": held}, Store(tmp_path))))
    puppets.calls.pop(0)[1].set_exception(InputLost("gone"))
    assert puppets.given() == [["s"]]
    ((job,),) = [call.submissions for call in puppets._pool.calls]
    assert job.task.work.inputs["audio"].handle is None
    puppets.finish()
    assert isinstance(future.result(0), Done)


# Cancelling ------------------------------------------------------------------


def test_cancelling_one_of_a_batch_leaves_its_mates(puppets):
    kind = recipe(batch=4)
    submit(puppets, kind, "first")
    futures = submit(puppets, kind, "a b c")
    puppets.finish()
    puppets.cancel(futures["b"])
    assert puppets.stopped == []
    puppets.finish()
    assert futures["b"].cancelled()
    assert isinstance(futures["a"].result(0), Done)
    assert isinstance(futures["c"].result(0), Done)


def test_cancelling_all_of_a_batch_ends_its_worker(puppets):
    kind = recipe(batch=4)
    submit(puppets, kind, "first")
    futures = submit(puppets, kind, "a b")
    puppets.finish()
    for future in futures.values():
        puppets.cancel(future)
    assert puppets.stopped == [0]
    assert not puppets._pool.calls


def test_one_that_was_cancelled_is_not_tried_again(puppets):
    kind = recipe(batch=4)
    submit(puppets, kind, "first")
    futures = submit(puppets, kind, "a b")
    puppets.finish()
    puppets.cancel(futures["a"])
    puppets.die()
    assert puppets.given() == [["b"]]


def test_cancelling_what_waits_for_a_worker_that_loads_ends_it():
    puppets = Puppets(prompt=False)
    kind = recipe()
    futures = submit(puppets, kind, "a b")
    puppets.cancel(futures["a"])
    assert puppets.stopped == []  # b still wants it
    puppets.cancel(futures["b"])
    assert puppets.stopped == [0]
    assert not puppets.residency.residents


# Who is resident -------------------------------------------------------------

SHARE = Resources(gpus=0.6)


def stats(puppets, inputs, models, choose=min):
    """Every input through every model, in turn; what ran, in order."""
    kinds = [recipe(f"m{n}", resources=SHARE) for n in range(models)]
    done = []

    def go_on(item, step_stats):
        if step_stats < models:
            future = puppets.submit(Task(f"{step_stats}", kinds[step_stats], Work({}), run=f"run {item}"))
            future.add_done_callback(lambda _: (done.append((item, step_stats)), go_on(item, step_stats + 1)))

    for item in range(inputs):
        go_on(item, 0)
    limit = time.monotonic() + 60
    while len(done) < inputs * models:
        assert time.monotonic() < limit, "nobody gets on"
        if puppets.calls:
            puppets.finish(choose(puppets.calls))
    return done


@pytest.mark.parametrize("choose", [min, max])
def test_six_models_where_two_fit_are_loaded_once_each(puppets, choose):
    done = stats(puppets, 20, 6, choose)
    assert len(set(done)) == 120
    assert len(puppets.loads) <= 6 + 2
    order = [step_stats for item, step_stats in done if item == 7]
    assert order == sorted(order)


def test_one_input_after_the_other_never_waits_for_room(puppets):
    began = time.perf_counter()
    for _ in range(3):
        stats(puppets, 1, 6)
    assert time.perf_counter() - began < 5  # it would be nine
    assert len(puppets.loads) <= 18


def test_queued_work_of_a_resident_goes_before_another_model(puppets):
    one = Puppets(Machine(cpus=2, gpus=1))
    a, b = recipe("a", resources=Resources(gpus=1)), recipe("b", resources=Resources(gpus=1))
    submit(one, a, "a0")
    submit(one, b, "b0")
    submit(one, a, "a1 a2")
    order = []
    while one.calls:
        order += one.finish()
    assert order == ["a0", "a1", "a2", "b0"]
    assert one.loads == ["a", "b"]


def test_the_line_with_most_tasks_is_loaded_next():
    one = Puppets(Machine(cpus=2, gpus=1))
    whole = Resources(gpus=1)
    submit(one, recipe("a", resources=whole), "a0")
    submit(one, recipe("b", resources=whole), "b0")
    submit(one, recipe("c", resources=whole), "c0 c1")
    one.finish()
    assert one.given() == [["c0"]]


def test_a_stream_of_small_tasks_does_not_starve_a_large_one(monkeypatch):
    """Work for `a` never ends; `b`, which needs its room, comes all the same, and then `a` again."""
    monkeypatch.setattr(turns, "_PATIENCE", 0.1)
    one = Puppets(Machine(cpus=2, gpus=1))
    whole = Resources(gpus=1)
    a, b = recipe("a", resources=whole), recipe("b", resources=whole)
    submit(one, a, "a a")
    waiting = submit(one, b, "b")["b"]
    limit = time.monotonic() + 30
    while not waiting.done() and time.monotonic() < limit:
        submit(one, a, "a")
        one.finish()
        time.sleep(0.005)
    assert waiting.done()
    assert one.loads[:2] == ["a", "b"]
    while one.calls:
        one.finish()
    assert not one._pool.queues
    assert len(one.loads) == 3


def test_two_that_never_end_take_long_turns(monkeypatch):
    """Each is served for a while before the other may have its room: no to and fro at each task."""
    monkeypatch.setattr(turns, "_PATIENCE", 0.2)
    one = Puppets(Machine(cpus=2, gpus=1))
    kinds = [recipe(name, resources=Resources(gpus=1)) for name in "ab"]
    switches = []  # between which moments: from when the one was given its last task, to when the other was there
    limit = time.monotonic() + 30
    now = time.monotonic()
    while len(switches) < 5:
        before, now, loads = now, time.monotonic(), len(one.loads)
        assert now < limit, one.loads
        for kind in kinds:
            if len(one._pool.queues.of(kind.key) or ()) < 50:
                submit(one, kind, " ".join([kind.name] * 50))
        one.finish()
        if len(one.loads) > loads:
            switches.append((before, time.monotonic()))
        time.sleep(0.001)
    assert all(after - before > 0.2 for (before, _), (_, after) in pairwise(switches))
    assert one.loads == ["a", "b"] * 2 + ["a"]


def test_many_cpus_are_not_starved_by_few(monkeypatch):
    monkeypatch.setattr(turns, "_PATIENCE", 0.1)
    puppets = Puppets(Machine(cpus=2, gpus=0))
    small, large = recipe("s", resources=Resources(cpus=1), replicas=2), recipe("l", resources=Resources(cpus=2))
    submit(puppets, large, "warm")
    puppets.finish()
    submit(puppets, small, "s s s")
    waiting = submit(puppets, large, "l")["l"]
    limit = time.monotonic() + 30
    while not waiting.done() and time.monotonic() < limit:
        submit(puppets, small, "s")
        puppets.finish(max(puppets.calls))
        time.sleep(0.005)
    assert waiting.done()


@pytest.mark.parametrize("resident", [True, False])
def test_many_cpus_are_not_starved_by_an_older_line_of_few(monkeypatch, resident):
    """All of the small ones came before; the CPUs that become free are kept until there are enough."""
    monkeypatch.setattr(turns, "_PATIENCE", 0.05)
    puppets = Puppets(Machine(cpus=4, gpus=0))
    small, large = recipe("s", resources=Resources(cpus=1), replicas=4), recipe("l", resources=Resources(cpus=3))
    if resident:
        submit(puppets, large, "warm")
        puppets.finish()
    submit(puppets, small, " ".join("s" * 300))
    waiting = submit(puppets, large, "l")["l"]
    time.sleep(0.1)
    order = []
    while not waiting.done() and puppets.calls:
        order += puppets.finish(max(puppets.calls, key=lambda worker: (puppets.calls[worker][0] == ["l"], worker)))
    assert order.index("l") <= 8
    assert puppets.given().count(["s"]) >= 1  # and those that fit beside it went on


def test_each_of_several_that_want_many_cpus_waits_no_longer(monkeypatch):
    """Patience is for a task, not for a turn: once the first has had to wait, they alternate."""
    monkeypatch.setattr(turns, "_PATIENCE", 0.05)
    puppets = Puppets(Machine(cpus=2, gpus=0))
    small, large = recipe("s", resources=Resources(cpus=1), replicas=2), recipe("l", resources=Resources(cpus=2))
    submit(puppets, large, "warm")
    puppets.finish()
    submit(puppets, small, " ".join("s" * 300))
    waiting = [submit(puppets, large, "l")["l"] for _ in range(5)]
    time.sleep(0.1)
    order = []
    while not waiting[-1].done():
        order += puppets.finish()
    assert order.count("l") == 5
    assert 5 <= order.count("s") <= 20  # the small ones had their turns, too


def test_a_model_that_is_idle_leaves_once_it_was_kept_long_enough(puppets, monkeypatch):
    """Another worker is busy for long, so nothing else happens: the clock alone must wake who waits."""
    monkeypatch.setattr(turns, "_KEEP", 1.0)
    rested = time.monotonic()
    long, quick, late = (recipe(name, resources=SHARE) for name in ("long", "quick", "late"))
    submit(puppets, long, "long")
    submit(puppets, quick, "q1 q2")
    puppets.finish(1)
    puppets.finish(1)
    waiting = submit(puppets, late, "late", run="another")
    assert puppets.loads == ["long", "quick"]
    while len(puppets.loads) < 3 and time.monotonic() < rested + 30:
        time.sleep(0.01)
    assert puppets.loads == ["long", "quick", "late"]
    assert time.monotonic() - rested > 1
    assert not waiting["late"].done()


def test_idle_workers_are_let_go_and_others_stay(puppets):
    submit(puppets, recipe("idle"), "a")
    puppets.finish()
    submit(puppets, recipe("busy"), "b")
    time.sleep(0.02)
    assert puppets.let_go(60) == []
    assert puppets.let_go(0.01) == [0]
    assert [resident.key for resident in puppets.residency.residents.values()] == ["busy"]


def test_the_least_are_set_up_as_soon_as_one_is_needed(puppets):
    puppets.prompt = False
    kind = recipe(least=2, replicas=3)
    puppets.residency.footprints.learn("m", Footprint(seconds=1000))
    submit(puppets, kind, "a")
    assert puppets.loads == ["m", "m"]  # for one task, which is hardly worth it
    puppets.cancel(submit(puppets, recipe("other"), "x")["x"])
    assert puppets.stopped == [2]  # those that are wanted in any case stay on their way
    for future in list(puppets.starting.values())[:2]:
        future.set_result(Started())
    submit(puppets, kind, "b c d")
    assert puppets.loads.count("m") == 3  # and the third where tasks queue up


def test_the_least_are_prepared_where_there_is_room(puppets):
    puppets.prepare(recipe(least=2, replicas=4))
    puppets.prepare(recipe("gpu", least=3, replicas=4, resources=Resources(gpus=1)))
    assert puppets.loads == ["m", "m", "gpu", "gpu"]


def test_what_was_preloaded_is_used(puppets):
    kind = recipe("p")
    puppets.preload(kind)
    submit(puppets, kind, "a")
    assert puppets.loads == ["p"]
    assert puppets.given() == [["a"]]


# What never fits -------------------------------------------------------------


def test_what_never_fits_fails_even_unannounced(puppets):
    failed = submit(puppets, recipe(resources=Resources(gpus=3)), "s")["s"].result(0)
    assert failed.exit_code == 5
    assert failed.message == "m asks for 3 GPUs, but there are only 2 CPUs, 2 GPUs, 8.0 GiB"


def test_footprints_are_remembered(tmp_path):
    file = tmp_path / "footprints.json"
    machine = Machine(cpus=1, gpus=1, gpu_memory=24 << 30)
    first = Puppets(machine, footprints=file, prompt=False)
    kind = recipe(resources=Resources(gpus=0.5))
    submit(first, kind, "a")
    first.starting[0].set_result(Started(1, (0,), 5 << 30, 20 << 30))
    first.close()
    second = Puppets(machine, footprints=file)
    assert second.residency.footprints.of("m").gpu_memory == 20 << 30
    second.require("s", kind)
    small = Puppets(machine.model_copy(update={"gpu_memory": 16 << 30}), footprints=file)
    with pytest.raises(ResourcesMissing) as caught:
        small.require("s", kind)
    assert (
        str(caught.value) == "step 's' (m) took 20.0 GiB of a GPU when it was last loaded, but a GPU here has 16.0 GiB"
    )


def test_two_that_together_overfill_a_gpu_take_turns(tmp_path):
    machine = Machine(cpus=2, gpus=1, gpu_memory=24 << 30)
    puppets = Puppets(machine, prompt=False)
    a, b = (recipe(name, resources=Resources(gpus=0.4)) for name in "ab")
    submit(puppets, a, "a")
    puppets.starting[0].set_result(Started(1, (0,), 0, 20 << 30))
    puppets.residency.footprints.learn("b", Footprint(gpu_memory=20 << 30))
    submit(puppets, b, "b")
    assert puppets.loads == ["m", "m"] or puppets.loads == ["a"]
    puppets.finish()
    assert puppets.loads == ["a", "b"]
    assert puppets.stopped == [0]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"a": 1}', '{"a": {"memory": "x"}}'])
def test_a_damaged_file_of_footprints_is_none(tmp_path, damage):
    from studio.executors.pool.footprints import Footprint, Footprints

    file = tmp_path / "f.json"
    file.write_text(damage)
    found = Footprints(file)
    assert found.of("a") == Footprint()
    found.learn("a", Footprint(1, 2, 3.0))
    assert Footprints(file).of("a") == Footprint(1, 2, 3.0)


def test_many_threads_at_once(puppets):
    """No task is lost or run twice, whoever submits, cancels and finishes when."""
    kinds = [recipe(f"k{n}", batch=n + 1, replicas=n + 1, resources=Resources(gpus=0.3 * n)) for n in range(3)]
    futures, stop = [], threading.Event()

    def work() -> None:
        while not stop.is_set():
            for worker in list(puppets.calls):
                try:
                    puppets.finish(worker)
                except KeyError:
                    continue
            time.sleep(0)

    worker = threading.Thread(target=work)
    worker.start()

    def send(run: str) -> None:
        for n in range(100):
            futures.append(puppets.submit(Task("s", kinds[n % 3], Work({}), run=run)))
            if n % 10 == 0:
                puppets.cancel(futures[-1])

    threads = [threading.Thread(target=send, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, left = wait_for([future for future in futures if not future.cancelled()], timeout=60)
    stop.set()
    worker.join()
    assert not left
    assert not puppets._pool.calls
    assert not puppets._pool.queues
