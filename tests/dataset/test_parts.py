"""Models that do not fit together: a data set goes through them in parts, or they make room for each other."""

import pytest

import studio
from studio.executors import executor_class
from studio.run.events import Warned

LOADED: list[str] = []


class Model(studio.Node):
    """Text with a name added; it holds more than half of a GPU."""

    resources = studio.Resources(gpus=0.6)

    class Config(studio.Node.Config):
        name: str

    def setup(self) -> None:
        LOADED.append(self.config.name)

    def run(self, text: str) -> str:
        if self.config.name == "b" and text == "row 5a":
            raise ValueError("no sevens")
        return text + self.config.name


@pytest.fixture
def executor():
    LOADED.clear()
    found = executor_class("local")(studio.Machine(cpus=2, gpus=1, memory=1 << 30))
    yield found
    found.close()


def mapped(executor, cache, rows, **options):
    nodes = {
        name: {"use": "Model", "with": {"name": name}, "in": {"text": wire}}
        for name, wire in zip("abc", ("text", "a", "b"))
    }
    graph = studio.load({"inputs": {"text": "text"}, "nodes": nodes, "outputs": {"text": "c"}}, nodes=[Model])
    run = graph.start_map(rows, {}, {"executor": executor, "cache": cache, "window": 8, **options})
    return run, list(run.events())


ROWS = [{"text": f"row {number}"} for number in range(40)]


def test_with_a_cache_each_model_is_loaded_once(executor, tmp_path):
    run, events = mapped(executor, studio.Cache(tmp_path), ROWS)
    assert LOADED == ["a", "b", "c"]
    assert (run.done, run.failed) == (39, 1)
    told = [event.message for event in events if isinstance(event, Warned)]
    assert [message.rpartition(": ")[2] for message in told] == [
        "a goes first, for all items",
        "b goes first, for all items",
    ]
    counts = {id: (step_stats.done, step_stats.cached, step_stats.failed) for id, step_stats in run.stats.of.items()}
    assert counts == {"a": (40, 0, 0), "b": (39, 0, 1), "c": (39, 0, 0)}


@pytest.mark.parametrize("rows", [ROWS[:8], iter(ROWS)], ids=["fewer than the window", "rows that come once"])
def test_otherwise_they_make_room_for_each_other(executor, tmp_path, rows):
    run, events = mapped(executor, studio.Cache(tmp_path), rows)
    assert not [event for event in events if isinstance(event, Warned)]
    assert run.done + run.failed == (8 if run.total == 8 else 40)
    assert LOADED[:3] == ["a", "b", "c"]


def test_without_a_cache_they_make_room_for_each_other(executor):
    run, _ = mapped(executor, False, ROWS)
    assert (run.done, run.failed) == (39, 1)
