"""Seeds: what a node draws depends on its seed and on nothing that runs beside it, before it, or elsewhere."""

import random
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

import studio
from tests.support.door import load, run_log
from tests.support.processes import python

WORDS = [str(number) for number in range(12)]
UNCACHED = {"cache": False}


class Draws(studio.Node):
    """Draws from all generators of the process, slowly."""

    class Config(studio.Node.Config):
        seed: int | None = 0

    def run(self, text: str) -> str:
        drawn = []
        for _ in range(3):
            time.sleep(0.0005)
            drawn += [random.random(), float(np.random.random())]
            if (torch := sys.modules.get("torch")) is not None:
                drawn.append(float(torch.rand(1)))
        return f"{text} {drawn}"


class Batched(Draws):
    """Could draw for several together."""

    def run_batch(self, tasks: list) -> list:
        return [f"{task['text']} {random.random()} of {len(tasks)}" for task in tasks]


class Holds(studio.Node):
    """Draws from generators of its own, made once."""

    class Config(studio.Node.Config):
        seed: int = 0

    def setup(self) -> None:
        self.one, self.two = random.Random(self.config.seed), np.random.default_rng(self.config.seed)
        self.three = np.random.RandomState(self.config.seed)
        self.weight = random.random()

    def run(self, text: str) -> str:
        return f"{text} {self.one.random()} {self.two.random()} {self.three.random()} {self.weight}"


class Machine:
    """Draws, somewhere inside a node."""

    def __init__(self, seed: int) -> None:
        self.one, self.bits = [random.Random(seed)], {"two": (np.random.PCG64(seed),)}
        three = np.random.RandomState(seed)
        self.draw = lambda: three.normal()

    def text(self) -> str:
        two = np.random.Generator(self.bits["two"][0])
        return f"{self.one[0].random()} {two.random()} {self.draw()}"


class HoldsInside(Holds):
    """The same, deeper; one spawns others; and one that is made by whichever task comes first."""

    late: random.Random | None = None

    def setup(self) -> None:
        self.machine, self.parent = Machine(self.config.seed), np.random.default_rng(self.config.seed)
        self.later = None

    def run(self, text: str) -> str:
        self.late = self.late or random.Random(self.config.seed)
        if self.later is None:
            self.later = np.random.default_rng(self.config.seed)
        (child,) = self.parent.spawn(1)
        return f"{text} {self.machine.text()} {child.random()} {self.late.random()} {self.later.random()}"


class SeedInside(studio.Node):
    """Its seed stands deeper in its config."""

    class Config(studio.Node.Config):
        seed: None = None
        sampling: list[dict[str, int]] = [{"top": 5, "seed": 0}]

    def run(self, text: str) -> str:
        return f"{text} {random.random()} {np.random.random()}"


class Samples(studio.Node):
    """Draws without a seed."""

    class Config(studio.Node.Config):
        seed: int | None = None

    @classmethod
    def repeatable(cls, config) -> bool:
        return config.seed is not None

    def run(self, text: str) -> str:
        return str(random.random())


NODES = [Draws, Batched, Holds, HoldsInside, SeedInside, Samples]
ONE = """
inputs: {texts: "list[text]"}
nodes: {a: {use: NODE, each: text, in: {text: texts}, with: {seed: SEED}}}
outputs: {a: a}
"""
SIDE_BY_SIDE = """
inputs: {texts: "list[text]"}
nodes:
  a: {use: Draws, each: text, in: {text: texts}, with: {seed: 1}}
  b: {use: Draws, each: text, in: {text: texts}, with: {seed: 2}, replicas: 2}
  c: {use: Batched, each: text, in: {text: texts}, with: {seed: 3}, batch: 4}
  d: {use: Holds, each: text, in: {text: texts}, with: {seed: 4}, replicas: 2}
  e: {use: Samples, each: text, in: {text: texts}}
outputs: {a: a, b: b, c: c, d: d}
"""


@pytest.fixture(autouse=True)
def generators() -> Iterator[None]:
    """Those of this process, put back."""
    ours, numpys = random.getstate(), np.random.get_state()
    yield
    random.setstate(ours)
    np.random.set_state(numpys)


def alone(node, seed, texts=WORDS, options=UNCACHED):
    graph = ONE.replace("NODE", node).replace("SEED", str(seed))
    log = run_log(graph, nodes=NODES, options=options, texts=texts)
    log.result.require()
    return log.outputs["a"]


def test_nodes_with_seeds_side_by_side_give_what_each_gives_alone():
    log = run_log(SIDE_BY_SIDE, nodes=NODES, options=UNCACHED, texts=WORDS)
    wanted = {"a": ("Draws", 1), "b": ("Draws", 2), "c": ("Batched", 3), "d": ("Holds", 4)}
    assert log.outputs == {name: alone(*which) for name, which in wanted.items()}


@pytest.mark.parametrize("node", ["Draws", "Batched", "Holds", "HoldsInside"])
def test_a_result_does_not_depend_on_the_tasks_before(node):
    straight = alone(node, 7)
    assert alone(node, 7, WORDS[::-1]) == straight[::-1]
    assert [alone(node, 7, [word])[0] for word in WORDS[:3]] == straight[:3]
    assert alone(node, 8) != straight
    drawn = {text.partition(" ")[2] for text in straight}
    assert len(drawn) == 1  # each task draws the same


def test_a_seed_inside_a_setting():
    graph = """
inputs: {texts: "list[text]"}
nodes: {a: {use: SeedInside, each: text, in: {text: texts}, with: {sampling: [{top: 1}, {seed: SEED}]}, replicas: 2}}
outputs: {a: a}
"""
    first, again, other = (
        run_log(graph.replace("SEED", seed), nodes=NODES, options=UNCACHED, texts=WORDS).outputs["a"]
        for seed in ("1", "1", "2")
    )
    assert first == again
    assert len({text.partition(" ")[2] for text in first}) == 1
    assert first != other


@pytest.mark.parametrize("seed", [-1, 2**40, 2**63 - 1])
def test_any_seed_is_one(seed):
    assert alone("Draws", seed) == alone("Draws", seed) != alone("Draws", 1)


def test_rows_of_a_data_set():
    """They share tasks, where steps are quick."""
    graph = "inputs: {text: text}\nnodes: {a: {use: Holds, in: {text: text}}}\noutputs: {a: a}"
    rows = [{"id": word, "text": word} for word in WORDS]
    mapped = load(graph, NODES).map(rows, options={"executor": "local", **UNCACHED})
    assert sorted(row["a"] for row in mapped) == sorted(alone("Holds", 0))


def test_the_generators_of_the_process_are_left_as_they_were():
    random.seed(5)
    np.random.seed(5)
    wanted = random.random(), np.random.random()
    random.seed(5)
    np.random.seed(5)
    alone("Draws", 1)
    assert (random.random(), np.random.random()) == wanted


def test_without_a_seed_it_samples_anew():
    drawn = alone("Samples", "null")
    assert len(set(drawn)) == len(WORDS)


def test_with_a_seed_no_tasks_are_computed_together():
    assert not any(" of " in text for text in alone("Batched", 1))
    assert any(" of " in text for text in alone("Batched", "null"))


def test_a_node_that_fails_gives_its_turn_to_others():
    class Fails(Draws):
        def run(self, text: str) -> str:
            raise ValueError("no")

    graph = ONE.replace("NODE", "Fails").replace("SEED", "1")
    assert run_log(graph, nodes=[Fails], options=UNCACHED, texts=WORDS).steps("failed")
    assert alone("Draws", 1)


@pytest.mark.ray
def test_another_executor_gives_the_same():
    for node, seed in (("Draws", 3), ("Holds", 3)):
        assert alone(node, seed, options={**UNCACHED, "executor": "ray"}) == alone(node, seed)


LATE = """
import sys
import studio

class Late(studio.Node):
    class Config(studio.Node.Config):
        seed: int = 3

    def run(self, text: str) -> str:
        import torch
        return str(float(torch.rand(1)))

nodes = {"a": {"use": "Late", "each": "text", "in": {"text": "texts"}}}
graph = studio.load({"inputs": {"texts": "list[text]"}, "nodes": nodes, "outputs": {"a": "a"}}, nodes=[Late])
assert "torch" not in sys.modules
result = graph.run(texts=["1", "2", "3"], options={"executor": "local", "cache": False})
print(len(set(result["a"])))
"""


@pytest.mark.slow
def test_a_library_that_a_task_imports_first_begins_at_the_seed_too():
    pytest.importorskip("torch")
    done = python("-c", LATE)
    assert done.stdout == "1\n", done.stderr
