"""Items that go together: they fare as those that go one by one do, step by step and time by time."""

import time
from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import studio
import studio.dataset.map
from tests.support.dataset_nodes import Deadly, Nap, Tally, Together
from tests.support.fakes import Brightness

COUNT = 700
EXECUTORS = ["local", pytest.param("ray", marks=pytest.mark.ray)]


@pytest.fixture(params=EXECUTORS)
def executor(request):
    return request.getfixturevalue("ray_executor") if request.param == "ray" else request.param


@pytest.fixture
def sizes(monkeypatch):
    """How many items went together, each time. What is quick here is so on a busy machine, too."""
    monkeypatch.setattr(studio.dataset.map, "_TIME_SLICE", 10 * studio.dataset.map._TIME_SLICE)
    found = []

    class Seen(studio.dataset.map.ChunkExecution):
        def __init__(self, subplan, items, *rest):
            found.append(len(items))
            super().__init__(subplan, items, *rest)

    monkeypatch.setattr(studio.dataset.map, "ChunkExecution", Seen)
    return found


def diamond(folder: Path, **options):
    """Two branches that meet again; each step fails in its own way, and some are tried again."""
    folder.mkdir()

    def step(mark, bad="nothing", **ports):
        return {"use": "Tally", "with": {"folder": str(folder), "mark": mark, "bad": bad}, "in": ports} | options

    nodes = {
        "a": step("a", "x1", left="text"),
        "b": step("b", "x2", left="a") | {"retries": 1},
        "c": step("c", "x3", left="a", right="tail") | {"retries": 1},
        "d": step("d", "x4", left="b", right="c"),
        "e": {"use": "Together", "in": {"text": "d"}, "batch": 4},
    }
    inputs = {"text": "text", "tail": {"type": "text", "default": "-"}}
    return studio.load({"inputs": inputs, "nodes": nodes, "outputs": {"d": "d", "e": "e"}}, nodes=[Tally, Together])


def odd(number):
    """A text that fares badly now and then."""
    ways = {31: "x1", 37: "x2", 41: "x3", 43: "x4", 47: "onceb", 53: "oncec", 59: "worse"}
    return " ".join([str(number), *(way for every, way in ways.items() if number % every == every - 1)])


def told(folder: Path):
    """How often each step ran on each text."""
    return {path.name: Counter(path.read_text().splitlines()) for path in folder.iterdir()}


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
def test_they_fare_as_those_that_go_alone(tmp_path, executor, cached, sizes):
    rows = [{"id": str(number), "text": odd(number % 600)} for number in range(COUNT)]
    results, counts, runs = [], [], []
    for window in (3, 512):  # three items are too few to go together
        folder = tmp_path / str(window)
        options = {"executor": executor, "window": window, "cache": tmp_path / f"c{window}" if cached else False}
        run = diamond(folder).map(rows, options=options)
        results.append({each.id: each.error.replace(str(folder), "") or dict(each) for each in run})
        runs.append(
            {
                id: (step_stats.done, step_stats.failed, step_stats.cached, step_stats.waiting)
                for id, step_stats in run.run.stats.of.items()
            }
        )
        counts.append(told(folder))
        assert bool(sizes) == (window == 512)
    for id, (alone, together) in {id: (results[0][id], results[1][id]) for id in results[0]}.items():
        if isinstance(alone, dict):
            assert together["d"] == alone["d"]
            assert {**together["e"], "of": 0} == {**alone["e"], "of": 0}
        else:
            assert together == alone, id
    assert results[0].keys() == results[1].keys()
    assert counts[0] == counts[1]
    assert runs[0] == runs[1]


def test_what_is_known_is_found_and_the_rest_computed(tmp_path, executor, sizes):
    first = [{"text": odd(number)} for number in range(0, COUNT, 2)]
    every = [{"text": odd(number)} for number in range(COUNT)]
    options = {"executor": executor, "cache": tmp_path / "cache"}
    graph = diamond(tmp_path / "tally")
    list(graph.map(first, options=options))
    sizes.clear()
    again = graph.map(every, options=options)
    found = ends_of(again)
    assert sizes
    assert found == ends_of(diamond(tmp_path / "other").map(every, options={"executor": executor, "cache": False}))
    a = again.run.stats.of["a"]
    failed = sum("x1" in odd(number) for number in range(COUNT))
    assert (a.cached, a.failed) == (sum("x1" not in row["text"] for row in first), failed)
    assert a.cached + a.done + a.failed == COUNT


def ends_of(run):
    return {each.id: (each.status, each.get("d", "")) for each in run}


@pytest.mark.parametrize("ordered", [True, False])
def test_they_come_in_order(tmp_path, ordered, sizes):
    rows = [{"id": str(number), "text": odd(number)} for number in range(COUNT)]
    options = {"executor": "local", "ordered": ordered, "cache": False}
    ids = [int(each.id) for each in diamond(tmp_path / "tally").map(rows, options=options)]
    assert sizes
    assert (ids if ordered else sorted(ids)) == list(range(COUNT))


def test_those_that_are_slow_go_alone(tmp_path, sizes, monkeypatch):
    monkeypatch.setattr(studio.dataset.map, "_TIME_SLICE", studio.dataset.map._TIME_SLICE / 10)
    graph = studio.load(
        {"inputs": {"text": "text"}, "nodes": {"a": {"use": "Slow", "in": {"text": "text"}}}, "outputs": {"x": "a"}},
        nodes=[Slow],
    )
    list(graph.map([{"text": str(number)} for number in range(70)], options={"executor": "local", "cache": False}))
    assert not sizes


class Slow(studio.Node):
    """Takes longer than a step of many may."""

    def run(self, text: str) -> str:

        time.sleep(0.06)
        return text


def test_media_go_together(tmp_path, executor, sizes):
    """Pictures, live from step to step; one is broken, and one is missing."""
    graph = studio.load(
        {
            "inputs": {"image": "image"},
            "nodes": {
                "flip": {"use": "Flip", "in": {"image": "image"}},
                "level": {"use": "Brightness", "in": {"image": "flip"}},
            },
            "outputs": {"flip": "flip", "level": "level"},
        },
        nodes=[Flip, Brightness],
    )
    for number in range(300):
        PIL.Image.fromarray(np.full((4, 4, 3), number % 200, "u1")).save(tmp_path / f"{number}.png")
    (tmp_path / "250.png").write_bytes(b"no picture")
    (tmp_path / "260.png").unlink()
    rows = [{"id": str(number), "image": tmp_path / f"{number}.png"} for number in range(300)]
    for cache in (False, tmp_path / "cache", tmp_path / "cache"):
        found = {each.id: each for each in graph.map(rows, options={"executor": executor, "cache": cache})}
        assert sizes
        sizes.clear()
        failed = {id: each.error for id, each in found.items() if each.failures}
        assert failed.keys() == {"250", "260"}
        assert "250.png" in failed["250"] or "no picture" in failed["250"]
        assert "260.png" in failed["260"]
        for id, each in found.items():
            if not each.failures:
                assert each["level"] == int(id) % 200
                assert each["flip"].array[0, 0, 0] == int(id) % 200


class Flip(studio.Node):
    """A picture upside down."""

    def run(self, image: studio.Image) -> studio.Image:
        return studio.Image(image.array[::-1].copy())


@pytest.mark.ray
@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
def test_one_that_kills_its_worker(tmp_path, ray_executor, cached, sizes):
    """Its companions are right, those that kill it once, too; it fails with its reason."""
    texts = [{300: "poison", 500: "x500", 501: "x501"}.get(number, f"t{number}") for number in range(COUNT)]
    graph = studio.load(
        {
            "inputs": {"text": "text"},
            "nodes": {"a": {"use": "Deadly", "with": {"folder": str(tmp_path)}, "in": {"text": "text"}}},
            "outputs": {"x": "a"},
        },
        nodes=[Deadly],
    )
    rows = [{"id": str(number), "text": text} for number, text in enumerate(texts)]
    options = {"executor": ray_executor, "cache": tmp_path / "cache" if cached else False}
    found = {each.id: each.error or each["x"] for each in graph.map(rows, options=options)}
    assert sizes
    assert found.pop("300").startswith("step 'a' failed: its worker died 3 times")
    assert found == {str(number): text.upper() for number, text in enumerate(texts) if number != 300}


def test_those_that_turn_out_slow_are_shared_out(tmp_path, sizes):
    """Quick rows, then slow ones: no worker keeps a hundred of these to itself, and none is lost or run twice."""
    graph = studio.load(
        {
            "inputs": {"number": "number"},
            "nodes": {"a": {"use": "Nap", "in": {"number": "number"}, "replicas": 4, "resources": {"cpus": 0.1}}},
            "outputs": {"x": "a"},
        },
        nodes=[Nap],
    )
    rows = [{"id": str(number), "number": number * 1e-6 + (0.05 if number >= 200 else 0)} for number in range(400)]
    options = {"executor": "local", "cache": tmp_path / "cache"}
    Nap.workers.clear()
    run = graph.map(rows, options=options)
    assert {each.id: each["x"] for each in run} == {row["id"]: row["number"] for row in rows}
    assert sizes
    assert max(Counter(worker for worker, number in Nap.workers if number > 0.05).values()) < 90  # of two hundred
    step_stats = run.run.stats.of["a"]
    assert (step_stats.done + step_stats.cached, step_stats.waiting) == (400, 0)
