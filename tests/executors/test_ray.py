"""What only Ray can do: lose a process, and pin a device."""

import importlib
import os
import signal
import sys
import threading
import time

import pytest

import studio
from tests.executors.test_contract import sleepers
from tests.support.door import load, ran, run_log

pytestmark = pytest.mark.ray


@pytest.fixture
def log(ray_executor):
    return lambda graph, /, **inputs: run_log(graph, options={"executor": ray_executor}, **inputs)


def test_a_worker_that_dies_once_is_replaced(log, tmp_path):
    found = log(f"nodes: {{s: {{use: Kill, with: {{text: x, once: '{tmp_path / 'once'}'}}}}}}\noutputs: {{o: s}}")
    assert found == [("restarted", "s"), ("done", "s")]
    assert found.outputs == {"o": "survived x"}
    assert "its worker died" in found.of(studio.StepRestarted)[0].reason


def test_a_node_that_always_kills_its_process_fails_its_own_step(log):
    found = log(
        "nodes: {s: {use: Kill, with: {text: x}}, good: {use: Upper, with: {text: x}}}\noutputs: {o: s, g: good}"
    )
    assert found.steps("failed") == ["s"]
    assert found.steps("restarted") == ["s", "s"]
    assert found.outputs == {"g": "X"}
    assert "its worker died 3 times" in found.result.failures["s"]
    assert "\n" not in found.result.failures["s"]


def test_a_worker_killed_from_outside_in_mid_step(ray_executor, tally):
    graph = load(f"nodes: {{s: {{use: Slow, with: {{text: x, seconds: 1.5, tally: '{tally}'}}}}}}\noutputs: {{o: s}}")

    def kill() -> None:
        while not ran(tally):
            time.sleep(0.02)
        os.kill(int(tally.read_text().split()[0]), signal.SIGKILL)

    threading.Thread(target=kill).start()
    found = run_log(graph, options={"executor": ray_executor})
    assert found == [("restarted", "s"), ("done", "s")]
    assert ran(tally) == 2


def test_each_worker_sees_its_own_gpu_alone(log):
    found = log(sleepers("pinned", 0.3, 2, "{gpus: 1}")).outputs
    assert sorted(place["visible"] for place in found.values()) == ["0", "1"]
    assert {place["device"] for place in found.values()} == {"cuda"}


def test_halves_share_a_gpu(log):
    found = log(sleepers("halves", 0.3, 2, "{gpus: 0.5}")).outputs
    assert len({place["visible"] for place in found.values()}) == 1
    assert len({place["pid"] for place in found.values()}) == 2


def test_without_a_share_no_gpu_is_seen(log):
    found = log(sleepers("none", 0, 1)).outputs["s0"]
    assert found["visible"] in ("", "-1")
    assert found["device"] == "cpu"


def test_steps_run_in_other_processes_and_inline_ones_here(log):
    found = log(
        "nodes: {i: {use: Inline, with: {text: x}}, w: {use: Where, with: {text: x}}}\noutputs: {i: i, w: w}"
    ).outputs
    assert found["i"] == str(os.getpid())
    assert found["w"]["pid"] != os.getpid()


def test_a_node_of_the_caller_s_own_travels(ray_executor):
    class Mine(studio.Node):
        def run(self, text: str) -> str:
            return text[::-1]

    graph = studio.load("nodes: {m: {use: Mine, with: {text: abc}}}\noutputs: {x: m}", nodes=[Mine])
    assert graph.run(options={"executor": ray_executor})["x"] == "cba"


def test_a_node_in_a_file_travels(ray_executor, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from studio import Node\nEND = '!'\nclass Mine(Node):\n    def run(self, text: str) -> str:\n        return text + END\n"
    )
    (tmp_path / "g.yaml").write_text("nodes: {m: {use: './mine.py:Mine', with: {text: abc}}}\noutputs: {x: m}")
    assert studio.load(tmp_path / "g.yaml").run(options={"executor": ray_executor})["x"] == "abc!"


LATE = "from studio import Node\nfrom .early import A\nclass Mine(Node):\n    def run(self, text: str) -> str:\n        from .late import B\n        return text + A + B\n"


@pytest.mark.parametrize("use", ["./late_pack/node.py:Mine", "late_pack.node:Mine", "Mine"])
def test_a_worker_runs_the_code_of_which_the_key_is(ray_executor, tmp_path, monkeypatch, use):
    """Edited since it was loaded here, or read: what the worker would find is another."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "late_pack"
    folder.mkdir()
    for name, text in {"__init__": "", "early": "A = '1'", "late": "B = '1'", "node": LATE}.items():
        (folder / f"{name}.py").write_text(text)
    own = [importlib.import_module("late_pack.node").Mine] if use == "Mine" else []
    (tmp_path / "g.yaml").write_text(f"nodes: {{m: {{use: '{use}', with: {{text: a}}}}}}\noutputs: {{x: m}}")
    graph = studio.load(tmp_path / "g.yaml", nodes=own)
    graph.check()
    (folder / "early.py").write_text("A = '2'")
    if use.startswith("./"):  # read whole when the graph was loaded
        (folder / "late.py").write_text("B = '2'")
    try:
        assert graph.run(options={"executor": ray_executor})["x"] == "a11"
    finally:
        for name in [name for name in sys.modules if name.startswith("late_pack")]:
            del sys.modules[name]


def test_a_secret_in_a_log_is_hidden(log, monkeypatch):
    monkeypatch.setenv("TOKEN", "swordfish-9")
    found = log("nodes: {s: {use: Secretive, with: {text: x, token: '${env:TOKEN}'}}}\noutputs: {o: s}")
    (finished,) = found.of(studio.StepFinished)
    assert "the token is ***" in finished.log
    assert "swordfish-9" not in repr(found.events)


def test_a_secret_in_the_log_of_a_failure_is_hidden(log, monkeypatch):
    monkeypatch.setenv("TOKEN", "swordfish-9")
    found = log("nodes: {s: {use: Secretive, with: {text: x, leak: true, token: '${env:TOKEN}'}}}\noutputs: {o: s}")
    assert found == [("failed", "s")]
    assert "swordfish-9" not in repr(found.events)


CHAIN = """
nodes:
  a: {{use: Upper, with: {{text: '{salt}'}}}}
  b: {{use: {node}, in: {{text: a}}{more}}}
  c: {{use: Upper, in: {{text: b}}, with: {{end: c}}}}
  d: {{use: Upper, in: {{text: c}}, with: {{end: d}}}}
outputs: {{x: d, a: a}}
"""


def test_a_chain_whose_middle_dies(log, tmp_path):
    """However far ahead steps were sent."""
    log(CHAIN.format(salt="warm", node="Upper", more=""))
    once = f", with: {{once: '{tmp_path / 'once'}'}}"
    found = log(CHAIN.format(salt="x", node="Kill", more=once))
    assert found.steps("done") == ["a", "b", "c", "d"]
    assert found.steps("restarted") == ["b"]
    assert found.outputs["x"] == "SURVIVED XCd"


@pytest.mark.parametrize("node", ["Boom", "Kill", "Wrong"])
def test_a_chain_whose_middle_fails(log, node):
    log(CHAIN.format(salt="warm", node="Upper", more=""))
    text = CHAIN.format(salt=f"x{node}", node=node, more="")
    if node == "Wrong":
        text = text.replace("in: {text: b}", "in: {text: a}").replace("a: a}", "a: a, b: b}")
    found = log(text)
    assert found.steps("failed") == ["b"]
    assert found.steps("skipped") == ([] if node == "Wrong" else ["c", "d"])
    assert found.outputs["a"] == f"X{node.upper()}"


def test_a_chain_whose_first_worker_is_killed_from_outside(ray_executor, tally):
    text = f"nodes: {{a: {{use: Slow, with: {{text: y, seconds: 1.0, tally: '{tally}'}}}}, b: {{use: Upper, in: {{text: a}}}}, c: {{use: Upper, in: {{text: b}}}}}}\noutputs: {{x: c}}"

    def kill() -> None:
        while not ran(tally):
            time.sleep(0.02)
        os.kill(int(tally.read_text().split()[0]), signal.SIGKILL)

    threading.Thread(target=kill).start()
    found = run_log(text, options={"executor": ray_executor})
    assert found.outputs == {"x": "SLOW Y"}
    assert found.steps("done") == ["a", "b", "c"]
