"""Faults by the hundred: random graphs on Ray while somebody kills their workers. What matters is what does not happen.

    python benchmarks/chaos.py [--faults 300] [--seed 0] [--json]

Each graph is a random DAG of texts whose result is known beforehand. Faults: a worker killed from
outside at a random moment; a node that kills its own process once; one that raises once; one that
raises always; a run cancelled in its midst. A hang ends the script with exit code 1, and so does a
wrong value, a step that failed without having been told to, or a process that is left.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

import studio
from studio import Node
from studio.executors.ray.executor import RayExecutor

MOST_SECONDS = 60  # for one graph, before it counts as hanging


class Piece(Node):
    """Joins texts; with a fault, does what it says."""

    class Config(Node.Config):
        """What goes wrong, and the file that remembers that it has."""

        name: str
        fault: str = ""
        once: str = ""
        seconds: float = 0.0

    def run(self, texts: list[str]) -> str:
        import os
        import signal
        import time
        from pathlib import Path

        time.sleep(self.config.seconds)
        again = self.config.once and Path(self.config.once).exists()
        if self.config.fault and not again:
            if self.config.once:
                Path(self.config.once).touch()
            if self.config.fault == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("as it was told")
        return f"{self.config.name}({','.join(texts)})"


def random_graph(
    chance: random.Random, folder: Path, number: int
) -> tuple[studio.Graph, dict[str, str], set[str], Counter]:
    """A graph, what each step gives, the steps that must fail (or be skipped), and the faults in it."""
    nodes: dict[str, Any] = {}
    values: dict[str, str] = {"text": "x"}
    doomed: set[str] = set()
    faults: Counter = Counter()
    for index in range(chance.randint(3, 7)):
        name = f"s{index}"
        before = sorted(chance.sample(sorted(values), chance.randint(1, min(3, len(values)))))
        settings: dict[str, Any] = {"name": f"k{index}", "seconds": chance.choice([0.0, 0.0, 0.05])}
        step: dict[str, Any] = {"use": "Piece", "in": {"texts": before}, "with": settings}
        fault = chance.choices(["", "dies once", "raises once", "raises"], [6, 2, 2, 1])[0]
        if fault:
            faults[fault] += 1
            settings["fault"] = fault.split()[0]
            settings["name"] = f"k{index}f{number}"
        if fault.endswith("once"):
            settings["once"] = str(folder / f"{number}-{index}")
            step["retries"] = 1
        if fault == "raises" or doomed & set(before):
            doomed.add(name)
        values[name] = f"{settings['name']}({','.join(values[each] for each in before)})"
        nodes[name] = step
    outputs = {name: name for name in nodes}
    graph = {"graph": f"g{number}", "inputs": {"text": "text"}, "nodes": nodes, "outputs": outputs}
    return studio.load(graph, nodes=[Piece]), values, doomed, faults


def one(chance: random.Random, executor: RayExecutor, folder: Path, number: int) -> tuple[Counter, list[str]]:
    """Runs one graph; the faults that there were, and what went wrong beyond them."""
    graph, values, doomed, faults = random_graph(chance, folder, number)
    cached = chance.random() < 0.5
    run, result = graph.start(
        {"text": "x"}, {"executor": executor, "cache": studio.Cache(folder / "cache") if cached else False}
    )
    timers = []
    if chance.random() < 0.6:
        timers.append(threading.Timer(chance.random() * 0.3, kill_some_worker, (chance, executor, faults)))
    if cancelled := chance.random() < 0.1:
        faults["cancelled"] += 1
        timers.append(threading.Timer(chance.random() * 0.2, run.cancel))
    for timer in timers:
        timer.start()
    try:
        for event in run.events():
            result.hear(event)
    except studio.Cancelled:
        return faults, [] if cancelled else ["cancelled by nobody"]
    finally:
        for timer in timers:
            timer.join()
    found = dict(result)
    wrong = [f"{name}: {found[name]!r}, not {values[name]!r}" for name in found if found[name] != values[name]]
    missing = set(values) - {"text"} - set(found) - doomed
    killed_thrice = {step for step, why in result.failures.items() if "worker died 3 times" in why}
    wrong += [f"{name} is missing: {result.failures.get(name)}" for name in missing if not killed_thrice]
    wrong += [f"{name} should have failed" for name in doomed & set(found)]
    return faults, wrong


def kill_some_worker(chance: random.Random, executor: RayExecutor, faults: Counter) -> None:
    processes = [executor.process(worker) for worker in list(executor.residency.residents)]
    if processes := [process for process in processes if process]:
        faults["killed from outside"] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(processes), signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    chance, faults, wrong = random.Random(given.seed), Counter(), []
    executor, graphs, began = RayExecutor(studio.Machine(cpus=2, gpus=0, memory=8 << 30)), 0, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        while faults.total() < given.faults:
            faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)  # a hang is told, with where it hangs
            more, found = one(chance, executor, Path(folder), graphs)
            faulthandler.cancel_dump_traceback_later()
            faults += more
            wrong += [f"graph {graphs}: {each}" for each in found]
            graphs += 1
        executor.close()
    left = [p.name() for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
    told = {"graphs": graphs, "faults": dict(faults), "wrong": wrong, "left": left}
    told["seconds"] = round(time.perf_counter() - began, 1)
    print(json.dumps(told) if given.json else "\n".join(f"{name}: {each}" for name, each in told.items()))
    return 1 if wrong or left else 0


if __name__ == "__main__":
    raise SystemExit(main())
