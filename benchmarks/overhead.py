"""What a step costs beyond its work: on threads, on warm Ray workers beside raw Ray actors, and from the cache.

    python benchmarks/overhead.py [--steps 10] [--rounds 30] [--json]

Every figure is the median over rounds, and raw and studio rounds alternate in one process, so that a
noisy machine is noisy for both. The raw chain is what one would write by hand: one actor a step, each
call given the reference that the call before returned, one `ray.get` at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import studio
from studio import Node
from studio.executors import close_all

_FLOATS = 50_000_000 // 4


class Pass(Node):
    """Gives back its text: a step that is all overhead."""

    class Config(Node.Config):
        """A number that makes workers differ."""

        place: int = 0

    def run(self, text: str) -> str:
        return text


class Nap(Node):
    """Sleeps for 200 ms."""

    class Config(Node.Config):
        """A number that makes workers differ."""

        place: int = 0

    def run(self, text: str) -> str:
        time.sleep(0.2)
        return text


class Sound(Node):
    """Gives back its sound: 50 MB that go from worker to worker."""

    class Config(Node.Config):
        """A number that makes workers differ."""

        place: int = 0

    def run(self, audio: studio.Audio) -> studio.Audio:
        return studio.Audio(audio.samples + 1, audio.rate)


class Source(Node):
    """Makes a sound of 50 MB."""

    def run(self, number: int) -> studio.Audio:
        return studio.Audio(np.full(_FLOATS, number, np.float32), 16000)


class Last(Node):
    """The last sample of a sound."""

    def run(self, audio: studio.Audio) -> float:
        return float(audio.samples[-1])


def chain(steps: int) -> studio.Graph:
    wires = ["text", *(f"s{index}" for index in range(steps))]
    nodes = {f"s{i}": {"use": "Pass", "with": {"place": i}, "in": {"text": wires[i]}} for i in range(steps)}
    graph = {"graph": "chain", "inputs": {"text": "text"}, "nodes": nodes, "outputs": {"text": wires[-1]}}
    return studio.load(graph, nodes=[Pass])


def timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def local(graph: studio.Graph, steps: int, rounds: int) -> dict[str, float]:
    cache = studio.Cache(tempfile.mkdtemp())
    kept = {"executor": "local", "cache": cache}
    bare = {"executor": "local", "cache": False}
    graph.run(text="hit", options=kept)
    figures = {
        "local, uncached": [timed(lambda: graph.run(text="x", options=bare)) for _ in range(rounds)],
        "local, computed and kept": [timed(lambda n=n: graph.run(text=f"{n}", options=kept)) for n in range(rounds)],
        "cache hit": [timed(lambda: graph.run(text="hit", options=kept)) for _ in range(rounds)],
    }
    return {name: statistics.median(times) / steps * 1000 for name, times in figures.items()}


def on_ray(graph: studio.Graph, steps: int, rounds: int) -> dict[str, float]:
    options = {"executor": "ray", "cache": False}
    kept = {"executor": "ray", "cache": studio.Cache(tempfile.mkdtemp())}
    graph.run(text="warm", options=options)
    import ray

    @ray.remote
    class Raw:
        def run(self, text: str) -> str:
            return text

    actors = [Raw.options(num_cpus=0).remote() for _ in range(steps)]

    def raw() -> None:
        value = "x"
        for actor in actors:
            value = actor.run.remote(value)
        ray.get(value)

    def raw_stepwise() -> None:
        value = "x"
        for actor in actors:
            value = ray.get(actor.run.remote(value))

    raw()
    times: dict[str, list[float]] = {}
    for n in range(rounds):
        times.setdefault("raw Ray, by reference", []).append(timed(raw))
        times.setdefault("raw Ray, a get a step", []).append(timed(raw_stepwise))
        times.setdefault("ray, uncached", []).append(timed(lambda: graph.run(text="x", options=options)))
        times.setdefault("ray, computed and kept", []).append(timed(lambda n=n: graph.run(text=f"{n}", options=kept)))
    ratios = [a / b for a, b in zip(times["ray, uncached"], times["raw Ray, by reference"], strict=True)]
    figures = {name: statistics.median(each) / steps * 1000 for name, each in times.items()}
    return {**figures, "ratio: ray, uncached / raw by reference": statistics.median(ratios)}


def side_by_side(rounds: int) -> dict[str, float]:
    """Three steps of 200 ms at once, on warm workers, in milliseconds for all three."""
    naps = {f"s{i}": {"use": "Nap", "with": {"place": i}, "in": {"text": "text"}} for i in range(3)}
    graph = studio.load(
        {"graph": "naps", "inputs": {"text": "text"}, "nodes": naps, "outputs": {f"s{i}": f"s{i}" for i in range(3)}},
        nodes=[Nap],
    )
    options = {"executor": "ray", "cache": False}
    graph.run(text="warm", options=options)
    times = [timed(lambda: graph.run(text="x", options=options)) for _ in range(rounds)]
    return {"three steps of 200 ms side by side": statistics.median(times) * 1000}


def heavy(rounds: int) -> dict[str, float]:
    """50 MB through three steps, beside the same by references of raw Ray."""
    nodes = {"a": {"use": "Source", "in": {"number": "number"}}}
    nodes |= {
        name: {"use": "Sound", "with": {"place": place}, "in": {"audio": before}}
        for place, (name, before) in enumerate(("ba", "cb", "dc"))
    }
    nodes |= {"e": {"use": "Last", "in": {"audio": "d"}}}
    graph = {"graph": "heavy", "inputs": {"number": "number"}, "nodes": nodes, "outputs": {"last": "e"}}
    loaded = studio.load(graph, nodes=[Source, Sound, Last])
    options = {"executor": "ray", "cache": False}
    loaded.run(number=1, options=options)
    import ray

    @ray.remote
    class Raw:
        def make(self, number: int) -> np.ndarray:
            return np.full(_FLOATS, number, np.float32)

        def add(self, samples: np.ndarray) -> np.ndarray:
            return samples + 1

        def last(self, samples: np.ndarray) -> float:
            return float(samples[-1])

    first, second, third, fourth, fifth = (Raw.options(num_cpus=0).remote() for _ in range(5))

    def raw() -> None:
        made = first.make.remote(1)
        for actor in (second, third, fourth):
            made = actor.add.remote(made)
        ray.get(fifth.last.remote(made))

    raw()
    times: dict[str, list[float]] = {"raw": [], "ours": []}
    for number in range(rounds):
        times["raw"].append(timed(raw))
        times["ours"].append(timed(lambda n=number: loaded.run(number=n, options=options)))
    return {
        "50 MB through three steps": statistics.median(times["ours"]) * 1000,
        "50 MB through three steps, raw Ray": statistics.median(times["raw"]) * 1000,
        "ratio: 50 MB, ours / raw": statistics.median(
            ours / raw_ for ours, raw_ in zip(times["ours"], times["raw"], strict=True)
        ),
    }


def _unit(name: str) -> str:
    return "" if name.startswith("ratio") else " ms" if name.startswith(("three", "50 MB")) else " ms a step"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    graph = chain(given.steps)
    figures = local(graph, given.steps, given.rounds) | on_ray(graph, given.steps, given.rounds)
    figures |= side_by_side(given.rounds) | heavy(given.rounds)
    close_all()
    if given.json:
        print(json.dumps({"cpus": os.cpu_count(), "load": os.getloadavg()[0], "figures": figures}))
        return
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, chain of {given.steps}, median of {given.rounds}")
    for name, figure in figures.items():
        print(f"  {name:<42} {figure:8.3f}{_unit(name)}")


if __name__ == "__main__":
    main()
