"""Inside other programs: running loops, several threads, closed streams; inputs as Python has them."""

import asyncio
import gc
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import psutil
import pytest

import studio
from tests.support.door import load, ran, run_log

UPPER = "inputs: {text: text}\nnodes: {u: {use: Upper, in: {text: text}}}\noutputs: {x: u}"
SLOW = "nodes: {s: {use: Slow, with: {text: x, seconds: %s}}}\noutputs: {x: s}"
LOCAL = {"executor": "local"}


def test_inside_a_running_loop():
    async def main():
        assert load(UPPER).run(text="a", options=LOCAL)["x"] == "A"  # as in a notebook's cell
        found = await asyncio.gather(*(load(UPPER).arun(text=letter, options=LOCAL) for letter in "abc"))
        return [result["x"] for result in found]

    assert asyncio.run(main()) == ["A", "B", "C"]


def test_the_loop_is_not_blocked():
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.02)
                ticks += 1

        ticking = asyncio.create_task(tick())
        await load(SLOW % 0.4).arun(options=LOCAL)
        ticking.cancel()
        return ticks

    assert asyncio.run(main()) >= 2  # of twenty, on a machine that is busy


def test_cancelling_a_task_stops_its_run(tally):
    text = f"nodes: {{s: {{use: Slow, with: {{text: x, seconds: 25}}}}, c: {{use: Counter, in: {{text: s}}, with: {{tally: '{tally}'}}}}}}\noutputs: {{x: c}}"

    async def main():
        task = asyncio.create_task(load(text).arun(options=LOCAL))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    started = time.perf_counter()
    asyncio.run(main())
    assert time.perf_counter() - started < 20
    assert ran(tally) == 0


def test_an_error_comes_through():
    async def main():
        await load("nodes: {b: {use: Boom, with: {text: x}}}\noutputs: {x: b}").arun(options=LOCAL)

    with pytest.raises(studio.StepError, match="boom"):
        asyncio.run(main())


def test_from_several_threads():
    graph = load(UPPER)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: graph.run(text=f"t{n}", options=LOCAL)["x"], range(40)))
    assert found == [f"T{n}" for n in range(40)]


def test_two_graphs_at_once_share_workers():
    where = "nodes: {w: {use: Where, with: {text: %s, name: embedded}}}\noutputs: {x: w}"
    log = run_log(where % "a")
    assert log.of(studio.StepLoading)
    assert not run_log(where % "b").of(studio.StepLoading)


def test_a_stream_tells_the_same_facts():
    kinds = [type(event).__name__ for event in load(UPPER).stream(text="a", options=LOCAL)]
    assert (
        kinds == ["RunStarted", "StepWaiting", "StepLoading", "StepStarted", "StepFinished", "RunFinished"]
        or "StepLoading" not in kinds
    )


def test_a_closed_stream_cancels():
    stream = load(SLOW % 25.25).stream(options=LOCAL)
    assert isinstance(next(stream), studio.RunStarted)
    assert any(isinstance(event, studio.StepStarted) for event in stream)
    started = time.perf_counter()
    stream.close()
    assert time.perf_counter() - started < 20
    assert run_log(SLOW % 0.01).outputs == {"x": "slow x"}  # its key and its place are free again


def test_cancel_from_another_thread():
    run, _ = load(SLOW % 25.75).start({}, LOCAL)
    threading.Timer(0.3, run.cancel).start()
    started = time.perf_counter()
    with pytest.raises(studio.Cancelled):
        list(run.events())
    assert time.perf_counter() - started < 20


@pytest.mark.ray
def test_on_ray_from_a_loop_and_from_threads(ray_executor):
    graph, options = load(UPPER), {"executor": ray_executor}

    async def main():
        return [r["x"] for r in await asyncio.gather(*(graph.arun(text=letter, options=options) for letter in "xyz"))]

    assert asyncio.run(main()) == ["X", "Y", "Z"]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda n: graph.run(text=f"r{n}", options=options)["x"], range(8))) == [
            f"R{n}" for n in range(8)
        ]


@pytest.mark.parametrize("cache", [None, False])
def test_media_as_python_has_them(tmp_path, cache):
    pixels = np.arange(48, dtype="u1").reshape(4, 4, 3)
    picture = PIL.Image.fromarray(pixels)
    picture.save(tmp_path / "p.png")
    graph = "inputs: {i: image}\nnodes: {b: {use: Brightness, in: {image: i}}}\noutputs: {x: b, i: i}"
    for given in (
        pixels,
        picture,
        tmp_path / "p.png",
        str(tmp_path / "p.png"),
        (tmp_path / "p.png").read_bytes(),
        studio.Image(pixels),
    ):
        found = run_log(graph, i=given, options={"cache": cache}).outputs
        assert found["x"] == 23.5
        assert found["i"] == studio.Image(pixels)
    samples = np.full(800, 0.5, "f4")
    path = studio.Audio(samples, 8000).save(tmp_path / "s.wav")
    graph = "inputs: {a: audio}\nnodes: {l: {use: Loudness, in: {audio: a}}}\noutputs: {x: l, a: a}"
    for given in ((samples, 8000), (8000, samples), path, path.read_bytes(), studio.Audio(samples, 8000)):
        found = run_log(graph, a=given, options={"cache": cache}).outputs
        assert found["x"] == 500
        assert found["a"].rate == 8000


def test_a_bare_array_is_no_sound():
    with pytest.raises(studio.InputError, match="says nothing of its rate"):
        run_log("inputs: {a: audio}\nnodes: {l: {use: Loudness, in: {audio: a}}}\noutputs: {x: l}", a=np.zeros(8))


def test_results_are_saved(tmp_path):
    log = run_log(
        "inputs: {t: text}\nnodes: {s: {use: Tone}, p: {use: Pixels}}\noutputs: {sound: s, picture: p, many: [t, t], t: t}",
        t="hi",
    )
    saved = log.result.save(tmp_path / "out")
    assert studio.Audio.open(saved["sound"]).rate == 8000
    assert studio.Image.open(saved["picture"]) == log.result["picture"]
    assert json.loads(saved["many"].read_text()) == ["hi", "hi"]
    assert log.result.as_json(saved)["outputs"]["many"] == ["hi", "hi"]
    assert log.result["sound"].save(tmp_path / "talk.flac").is_file()


def test_sources_of_graphs(tmp_path):
    (tmp_path / "g.yaml").write_text(UPPER)
    data = {"inputs": {"text": "text"}, "nodes": {"u": {"use": "Upper", "in": {"text": "text"}}}, "outputs": {"x": "u"}}
    for source in (UPPER, data, tmp_path / "g.yaml", str(tmp_path / "g.yaml")):
        assert run_log(load(source), text="a").outputs == {"x": "A"}
    assert load(data, settings={"u.end": "!"}).run(text="a", options=LOCAL)["x"] == "A!"
    with pytest.raises(studio.UsageError, match="there is no graph"):
        load("nothing")
    with pytest.raises(studio.UsageError, match=r"is no STEP\.FIELD"):
        load({"nodes": ["u"]}, settings={"u.end": "!"})


def test_the_caller_s_data_is_not_changed():
    data, given = (
        {"nodes": {"e": {"use": "Echo", "in": {"data": "d"}}}, "inputs": {"d": "data"}, "outputs": {"x": "e"}},
        {"a": [1]},
    )
    found = run_log(load(data), d=given).outputs["x"]
    found["a"].append(2)
    assert given == {"a": [1]}
    assert run_log(load(data), d=given).outputs["x"] == {"a": [1]}  # nor what is cached


def test_an_executor_of_the_caller_s_own():
    from studio.executors import executor_class

    mine = executor_class("local")(studio.Machine(cpus=1))
    assert load(UPPER).run(text="q", options={"executor": mine})["x"] == "Q"
    mine.close()
    log = run_log(UPPER, text="after it was closed", options={"executor": mine})
    assert log == [("failed", "u")]


def test_an_unknown_executor():
    with pytest.raises(studio.UsageError, match=r"there is no executor .rey.\. Did you mean .ray.\?"):
        run_log(UPPER, text="new", options={"executor": "rey"})


def test_many_runs_leave_no_file_open(tmp_path):
    """A service runs the same graph for weeks."""
    graph, process = load(UPPER), psutil.Process()

    def run(number):
        graph.run(text=f"x{number}", options={**LOCAL, "cache": tmp_path / "cache"})

    for number in range(5):
        run(number)
    before = process.num_fds()
    for number in range(5, 65):
        run(number)
    gc.collect()
    assert process.num_fds() <= before + 5
