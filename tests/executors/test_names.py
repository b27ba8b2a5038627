"""Executors by their names: ours, and those that packages bring."""

import json
import sys

import pytest
from click.testing import CliRunner

import studio
from studio import executors

MODULE = """
from concurrent.futures import Future
import studio
from studio.executors.local import LocalExecutor

class Mine(LocalExecutor):
    name = "mine"

    def _start(self, worker, recipe):
        print("mine starts", recipe.name)
        return super()._start(worker, recipe)

class Other:
    pass
"""
POINTS = "[icode_studio.executors]\nmine = brought_by_me:Mine\nray = brought_by_me:Other\nother = brought_by_me:Other\ngone = brought_by_me:Gone\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that brings executors."""
    (tmp_path / "brought_by_me.py").write_text(MODULE)
    about = tmp_path / "brought_by_me-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: brought-by-me\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("brought_by_me", None)


def test_one_that_a_package_brings_runs_a_graph(package, capfd):
    made = studio.executor_class("mine")
    assert issubclass(made, studio.PooledExecutor)
    graph = studio.load("nodes: {s: {use: text.template, with: {template: hello}}}\noutputs: {x: s}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "_shared", {})
        assert executors.shared("mine") is executors.executor_for("mine")
        assert graph.run(options={"executor": "mine", "cache": False})["x"] == "hello"
        executors.close_all()


def test_the_command_takes_it(package):
    from studio.commands.group import cli

    (package / "g.yaml").write_text("nodes: {s: {use: text.template, with: {template: hello}}}\noutputs: {x: s}")
    found = CliRunner().invoke(cli, ["run", str(package / "g.yaml"), "--executor", "mine", "--json", "--no-cache"])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["outputs"]["x"] == "hello"


def test_nobody_takes_the_name_of_one_of_ours(package):
    assert studio.executor_class("ray").__name__ == "RayExecutor"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (
            "mime",
            "there is no executor 'mime'. Did you mean 'mine'? Executors: auto, ray, local, warm, gone, mine, other",
        ),
        ("other", "the executor 'other' (brought_by_me:Other) is no subclass of studio.PooledExecutor"),
        (
            "gone",
            "the executor 'gone' (brought_by_me:Gone) cannot be loaded: module 'brought_by_me' has no attribute 'Gone'",
        ),
    ],
)
def test_what_is_none_is_told(package, name, why):
    with pytest.raises(studio.UsageError) as caught:
        studio.executor_class(name)
    assert str(caught.value) == why
