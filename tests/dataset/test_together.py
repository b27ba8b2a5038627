"""Several at once: maps, runs, and those who leave early or ask for the same."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

import studio
from studio.executors import executor_class
from tests.support.dataset import UPPER, lines, mapped
from tests.support.door import load, ran

EXECUTORS = ["local", pytest.param("ray", marks=pytest.mark.ray)]


@pytest.fixture(params=EXECUTORS)
def executor(request):
    return request.getfixturevalue("ray_executor") if request.param == "ray" else "local"


def working(tally, seconds=0.0, after="a"):
    return f"inputs: {{text: text}}\nnodes: {{a: {{use: 'tests.support.dataset_nodes:Work', in: {{text: text}}, with: {{tally: '{tally}', seconds: {seconds}}}}}, b: {{use: Upper, in: {{text: a}}}}}}\noutputs: {{x: b}}"


def rows(count, name="t"):
    return [{"text": f"{name}{n}"} for n in range(count)]


def wanted(count, name="t"):
    return [{"x": f"{name}{n}!".upper()} for n in range(count)]


def leases(cache_folder):
    """The keys that this process holds as being computed."""
    return studio.Cache(cache_folder).leases._held


@pytest.mark.parametrize("cache", [True, False])
def test_two_maps_at_once(executor, tally, cache):
    """Over the same graph, and half of the rows are the same: each gets its own results."""
    graph, options = load(working(tally, 0.002)), {"executor": executor, **({} if cache else {"cache": False})}
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(lambda: [dict(each) for each in graph.map(rows(60), options=options)])
        second = threads.submit(lambda: [dict(each) for each in graph.map(rows(120)[::-1], options=options)])
        assert first.result(60) == wanted(60)
        assert second.result(60) == wanted(120)[::-1]
    assert ran(tally) == (120 if cache else 180)


def test_a_run_does_not_wait_for_the_end_of_a_map(executor, tally):
    graph, options = load(working(tally, 0.02)), {"executor": executor}
    results = mapped(graph, rows(80), options)
    going = iter(results)
    next(going)
    assert graph.run(text="alone", options=options)["x"] == "ALONE!"
    assert ran(tally) < 75  # others were still waiting
    assert len(list(going)) == 79


def test_async(executor, tally):
    async def both():
        async def one(name):
            return [dict(each) async for each in mapped(working(tally, 0.001), rows(40, name), {"executor": executor})]

        beats = 0

        async def beat():
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0.005)

        pulse = asyncio.create_task(beat())
        found = await asyncio.gather(one("a"), one("b"))
        pulse.cancel()
        return found, beats

    found, beats = asyncio.run(both())
    assert found == [wanted(40, "a"), wanted(40, "b")]
    assert beats > 1  # the loop was not held up


def test_async_that_is_cancelled(executor, tally, cache_folder):
    seen = []

    async def read():
        async for each in mapped(working(tally, 0.01), rows(2000), {"executor": executor}):
            seen.append(each.id)

    async def main():
        task = asyncio.create_task(read())
        while not seen:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 15  # all of it takes twenty
    comes_to_rest(tally)
    assert not leases(cache_folder)


def comes_to_rest(tally):
    """Nothing more is computed, and most of it was not."""
    before, now = -1, ran(tally)
    while now != before:
        time.sleep(0.5)
        before, now = now, ran(tally)
    assert now < 1000


@pytest.mark.parametrize("cache", [True, False])
def test_leaving_early(executor, tally, cache_folder, tmp_path, cache):
    options = {"executor": executor, **({} if cache else {"cache": False})}
    for each in mapped(working(tally, 0.01), rows(2000), options, resume=tmp_path / "run"):
        if each["x"] == "T5!":
            break
    comes_to_rest(tally)
    assert not leases(cache_folder)
    assert [line["outputs"] for line in lines(tmp_path / "run")][:6] == wanted(6)
    again = mapped(working(tally, 0.01), rows(30), options, resume=tmp_path / "run")
    list(again)
    assert [line["outputs"] for line in lines(tmp_path / "run")] == wanted(30)


def test_what_was_left_early_can_be_asked_of_others(tally):
    """What was on its way is nobody's any more: another map gets it all."""
    graph = load(working(tally, 0.005))
    list(islice(mapped(graph, rows(200), {"window": 64}), 3))
    assert [dict(each) for each in mapped(graph, rows(70))] == wanted(70)


def test_cancelled_from_another_thread(executor, tally):
    results = mapped(working(tally, 0.01), rows(2000), {"executor": executor})
    threading.Timer(1.0, results.run.cancel).start()
    with pytest.raises(studio.Cancelled):
        list(results)
    comes_to_rest(tally)


@pytest.mark.parametrize("ordered", [True, False])
def test_the_same_rows_are_computed_once(executor, tally, ordered):
    given = [{"id": str(n), "text": f"t{n % 20}"} for n in range(100)]
    found = {each.id: dict(each) for each in mapped(working(tally), given, {"executor": executor, "ordered": ordered})}
    assert found == {str(n): wanted(20)[n % 20] for n in range(100)}
    assert ran(tally) == 20


def test_of_the_same_rows_that_fail_each_is_told(executor, tally):
    given = [{"id": str(n), "text": "bad"} for n in range(10)]
    found = list(mapped(working(tally), given, {"executor": executor}))
    assert [each.id for each in found] == [str(n) for n in range(10)]
    assert all("no bad" in each.error for each in found)


def test_an_executor_that_is_closed_meanwhile_ends_the_rest():
    executor = executor_class("local")(studio.Machine(cpus=2, memory=1 << 40))
    results = iter(mapped(UPPER, rows(500), {"executor": executor, "window": 8}))
    next(results)
    executor.close()
    rest = list(results)
    assert len(rest) == 499
    assert "the executor was closed" in rest[-1].error
