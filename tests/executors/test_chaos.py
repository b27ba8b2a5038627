"""Faults on a real Ray: no hang, no wrong value, no process left, and a clear line for what fails."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import studio
from studio.executors import close_all
from tests.support.door import load, ran, run_log

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


class Fragile(studio.Node):
    """Dies while it is set up, until it was tried so often."""

    class Config(studio.Node.Config):
        tally: str
        deaths: int = 1

    def setup(self) -> None:
        import os
        import signal

        with open(self.config.tally, "a") as file:
            file.write("tried\n")
        with open(self.config.tally) as file:
            if len(file.readlines()) <= self.config.deaths:
                os.kill(os.getpid(), signal.SIGKILL)

    def run(self, text: str) -> str:
        return f"well {text}"


class Sleepy(studio.Node):
    """Takes its time to be set up."""

    class Config(studio.Node.Config):
        seconds: float

    def setup(self) -> None:
        import time

        time.sleep(self.config.seconds)

    def run(self, text: str) -> str:
        return text


def own(node, settings):
    return studio.load(
        f"nodes: {{s: {{use: {node.__name__}, with: {{text: x, {settings}}}}}}}\noutputs: {{o: s}}", nodes=[node]
    )


def test_a_worker_that_dies_once_in_setup(ray_executor, tally):
    found = run_log(own(Fragile, f"tally: '{tally}', deaths: 1"), options={"executor": ray_executor})
    assert found.outputs == {"o": "well x"}
    assert ran(tally) == 2


def test_a_worker_that_always_dies_in_setup(ray_executor, tally):
    found = run_log(own(Fragile, f"tally: '{tally}', deaths: 9"), options={"executor": ray_executor})
    assert found == [("restarted", "s"), ("restarted", "s"), ("failed", "s")]
    assert "its worker died 3 times, each time while it was set up" in found.result.failures["s"]
    assert ran(tally) == 3


def test_a_worker_that_never_loads(ray_executor, monkeypatch):
    monkeypatch.setattr(ray_executor, "loading_limit", 3.0)
    began = time.monotonic()
    found = run_log(own(Sleepy, "seconds: 600.0"), options={"executor": ray_executor})
    assert found.result.failures["s"] == "its worker was not ready within 3 s and was stopped"
    assert time.monotonic() - began < 60  # it would never


def test_a_slow_worker_holds_nobody_up(ray_executor):
    text = "nodes: {slow: {use: Slow, with: {text: x, seconds: 6.0}}, a: {use: Upper, with: {text: x}}, b: {use: Upper, in: {text: a}, with: {end: b}}}\noutputs: {s: slow, b: b}"
    found = run_log(text, options={"executor": ray_executor})
    done = {event.step: event.at for event in found.of(studio.StepFinished)}
    assert found.outputs == {"s": "slow x", "b": "Xb"}
    assert done["b"] < done["slow"]


def test_workers_killed_at_random(ray_executor):
    """Ten runs through three steps, while somebody shoots at the workers."""
    stop = threading.Event()

    def shoot() -> None:
        aim = random.Random(1)
        for _ in range(4):
            if stop.wait(1.0):
                return
            with ray_executor._pool.mutex:
                targets = [ray_executor.process(worker) for worker in ray_executor._pool.calls]
            if targets := [process for process in targets if process]:
                os.kill(aim.choice(targets), signal.SIGKILL)

    graph = load(
        "inputs: {text: text}\nnodes: {a: {use: Slow, in: {text: text}, with: {seconds: 0.15}}, b: {use: Upper, in: {text: a}}, c: {use: Slow, in: {text: b}, with: {seconds: 0.1}}}\noutputs: {x: c}"
    )
    shooter = threading.Thread(target=shoot)
    shooter.start()
    options = {"executor": ray_executor, "cache": False}
    with ThreadPoolExecutor(10) as threads:
        found = list(threads.map(lambda n: graph.run(text=f"t{n}", options=options)["x"], range(10)))
    stop.set()
    shooter.join()
    assert found == [f"slow SLOW T{n}" for n in range(10)]


BEGIN = """
import json, os, sys, threading, time
import psutil, studio
from studio.executors.ray.executor import RayExecutor
from tests.support import fakes
from tests.support.door import run_log
"""
END = """
executor.close()
left = [p.name() for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
print(json.dumps({"told": told, "left": left}))
"""


def in_a_process_of_its_own(script: str, seconds: float = 100, **environment: str):
    """What the script told, and the processes that it left."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + script + END],
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["left"] == []
    return found["told"]


def test_calls_and_answers_that_get_lost():
    """Every fourth task is lost on the way there, every fourth answer on the way back."""
    lost = {"num_failures": 6, "req_failure_prob": 25, "resp_failure_prob": 25, "in_flight_failure_prob": 0}
    script = """
executor = RayExecutor(studio.Machine(cpus=2, gpus=0, memory=8 << 30))
graph = studio.load("inputs: {text: text}\\nnodes: {a: {use: Upper, in: {text: text}}, b: {use: Upper, in: {text: a}, with: {end: b}}}\\noutputs: {x: b}", nodes=fakes.ALL)
told = []
for n in range(12):
    found = run_log(graph, options={"executor": executor, "cache": False}, text=f"t{n}")
    told.append([found.outputs.get("x"), dict(found.result.failures), len(found.steps("restarted"))])
"""
    chaos = json.dumps({"CoreWorkerService.grpc_client.PushTask": lost})
    told = in_a_process_of_its_own(script, RAY_testing_rpc_failure=chaos)
    assert [text for text, _, _ in told] == [f"T{n}b" for n in range(12)], told
    assert sum(restarts for _, _, restarts in told) > 0, "nothing was lost: the test tests nothing"


def test_an_object_store_that_is_nearly_full():
    """More is made than Ray's store holds at once (the rest goes to disk); all of it comes through."""
    script = """
import ray
ray.init(address="local", num_cpus=2, object_store_memory=80 << 20, include_dashboard=False, log_to_driver=False)
executor = RayExecutor(studio.Machine(cpus=2, gpus=0, memory=8 << 30))
steps = "".join(f"  t{n}: {{use: Tone, with: {{seconds: {600 + n}.0}}}}\\n  l{n}: {{use: Loudness, in: {{audio: t{n}}}}}\\n" for n in range(6))
graph = studio.load("nodes:\\n" + steps + "outputs: {" + ", ".join(f"l{n}: l{n}" for n in range(6)) + "}", nodes=fakes.ALL)
found = run_log(graph, options={"executor": executor, "cache": False})
told = [found.outputs, dict(found.result.failures)]
executor.close()
ray.shutdown()
"""
    outputs, failures = in_a_process_of_its_own(script)
    assert failures == {}
    assert outputs == {f"l{n}": 318 for n in range(6)}


@pytest.mark.parametrize("cached", [True, False])
def test_a_machine_of_a_cluster_is_lost(cached):
    """Workers on it begin anew elsewhere; values on it are read from the cache folder, or are told to be lost."""
    script = f"""
import ray
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args=dict(num_cpus=2, include_dashboard=False))
second = cluster.add_node(num_cpus=2)
ray.init(address=cluster.address, log_to_driver=False)
executor = RayExecutor()
steps = "".join(f"  t{{n}}: {{{{use: Tone, with: {{{{seconds: {{60 + n}}.0}}}}}}}}\\n  w{{n}}: {{{{use: Slow, in: {{{{text: x{{n}}}}}}, with: {{{{seconds: 2.5}}}}}}}}\\n  l{{n}}: {{{{use: Loudness, in: {{{{audio: t{{n}}}}}}}}}}\\n" for n in range(3))
steps = "".join(f"  t{{n}}: {{{{use: Tone, with: {{{{seconds: {{60 + n}}.0}}}}}}}}\\n  q{{n}}: {{{{use: Louder, in: {{{{audio: t{{n}}}}}}, with: {{{{by: 0.{{n + 1}}}}}}}}}}\\n  w{{n}}: {{{{use: Slow, with: {{{{text: x, seconds: {{3.0 + n}}}}}}}}}}\\n" for n in range(3))
graph = studio.load("nodes:\\n" + steps + "outputs: {{" + ", ".join(f"q{{n}}: q{{n}}, w{{n}}: w{{n}}" for n in range(3)) + "}}", nodes=fakes.ALL)
threading.Timer(2.5, lambda: cluster.remove_node(second, allow_graceful=False)).start()
options = {{"executor": executor}} if {cached} else {{"executor": executor, "cache": False}}
found = run_log(graph, options=options)
told = [{{name: str(value) for name, value in found.outputs.items()}}, dict(found.result.failures)] if {cached} else [
    sorted(name for name, artifact in found.of(studio.RunFinished)[0].outputs.items()), dict(found.result.failures)]
executor.close()
ray.shutdown()
cluster.shutdown()
"""
    outputs, failures = in_a_process_of_its_own(script)
    if cached:
        assert failures == {}
        assert outputs["w0"] == outputs["w2"] == "slow x"
        assert outputs["q1"] == "Audio(61.00 s, 8000 Hz, 1 ch)"
    else:
        assert all("lost" in why for why in failures.values()), failures
        assert set(outputs) >= {"w0", "w1", "w2"}


def test_nothing_is_left_of_all_this(ray_executor):
    """The workers on this Ray are those that its executors know of (a Studio that is up has a Ray of its own)."""
    close_all()  # other tests had one of their own
    end, hosts, known = time.monotonic() + 60, set(), set()
    while time.monotonic() < end:
        known = {ray_executor.process(worker) for worker in ray_executor.residency.residents}
        with contextlib.suppress(psutil.Error):  # one has ended while it was looked at
            parents = {psutil.Process(process).ppid() for process in known}
            children = psutil.Process().children(recursive=True)
            hosts = {p.pid for p in children if p.ppid() in parents and "ray::Host" in " ".join(p.cmdline() or [])}
            if hosts <= known:
                return
        time.sleep(0.2)
    raise AssertionError(f"{hosts - known} are nobody's")
