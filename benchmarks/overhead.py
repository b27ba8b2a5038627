"""What a step costs beyond its work: on threads, on warm Ray workers beside raw Ray actors, and from the cache.

    python benchmarks/overhead.py [--steps 20] [--rounds 30] [--json]

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

import studio
from studio import Node
from studio.executors import close_all


class Pass(Node):
    """Gives back its text: a step that is all overhead."""

    class Config(Node.Config):
        """A number that makes workers differ."""

        place: int = 0

    def run(self, text: str) -> str:
        return text


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    graph = chain(given.steps)
    figures = local(graph, given.steps, given.rounds) | on_ray(graph, given.steps, given.rounds)
    close_all()
    if given.json:
        print(json.dumps({"cpus": os.cpu_count(), "load": os.getloadavg()[0], "figures": figures}))
        return
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, chain of {given.steps}, median of {given.rounds}")
    for name, figure in figures.items():
        print(f"  {name:<42} {figure:8.3f}{'' if name.startswith('ratio') else ' ms a step'}")


if __name__ == "__main__":
    main()
