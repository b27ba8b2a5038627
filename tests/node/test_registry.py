"""Registry: a name is a path; nothing is registered and nothing is global."""

import os
import sys

import pytest

import studio
from studio.node.registry import NoSuchNode, Registry
from tests.support import fakes

NODE = (
    "from studio import Node\nclass Mine(Node):\n    def run(self, text: str) -> str:\n        return text + '{end}'\n"
)


def test_shipped_nodes_are_named_by_their_paths():
    found = Registry().find("text.join")
    assert found.name == "text.join"
    assert found.node.__module__.endswith("nodes.text.join")
    assert not [name for name in Registry().names() if any(part.startswith("_") for part in name.split("."))]


def test_the_caller_s_own_come_by_their_class_names():
    registry = Registry([fakes.Upper])
    assert registry.find("Upper").node is fakes.Upper
    assert "Upper" in registry.names()
    with pytest.raises(NoSuchNode):
        Registry().find("Upper")


def test_a_class_that_python_can_import():
    assert Registry().find("tests.support.fakes:Upper").node is fakes.Upper


@pytest.mark.parametrize("bytecode", [True, False])
def test_a_file_is_read_again_when_it_changes(tmp_path, monkeypatch, bytecode):
    """Within a second, and without a change of its size: bytecode that Python keeps of it looks as young."""
    monkeypatch.setattr(sys, "dont_write_bytecode", not bytecode)
    graph = "nodes: {m: {use: './mine.py:Mine', with: {text: a}}}\noutputs: {x: m}"
    (tmp_path / "g.yaml").write_text(graph)
    for end in "12":
        (tmp_path / "mine.py").write_text(NODE.format(end=end))
        os.utime(tmp_path / "mine.py", (1e9, 1e9))
        assert studio.load(tmp_path / "g.yaml").run(options={"executor": "local"})["x"] == f"a{end}"


def test_files_of_one_name_in_two_folders(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(NODE.format(end=name))
        found = Registry(folder=tmp_path / name).find("./mine.py:Mine").node
        assert found().run("x") == f"x{name}"


@pytest.mark.parametrize("ends", ["raise SystemExit(3)", "1 / 0", "import no_such_module", "def (", "exit()"])
def test_a_file_that_cannot_be_loaded(tmp_path, ends):
    (tmp_path / "bad.py").write_text(ends)
    with pytest.raises(NoSuchNode, match="cannot be loaded"):
        Registry(folder=tmp_path).find("./bad.py:Mine")


def test_a_module_that_ends_the_process(tmp_path, monkeypatch):
    (tmp_path / "leaver.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NoSuchNode, match="cannot be imported: SystemExit"):
        Registry().find("leaver:Mine")


@pytest.mark.parametrize(
    "use",
    [
        "",
        ":",
        "x:",
        ":x",
        ".:x",
        "..x:Y",
        "a b",
        "text",
        "text.",
        ".join",
        "text._x",
        "os:path",
        "./:x",
        "/etc/passwd:X",
    ],
)
def test_names_that_lead_nowhere(use):
    with pytest.raises(NoSuchNode) as caught:
        Registry().find(use)
    assert str(caught.value)
