"""Where a graph is bound: paths mean what they meant when the graph was loaded, and the values given."""

from pathlib import Path

import numpy as np
import pytest

import studio
from tests.executors.test_contract import executor  # noqa: F401 a fixture
from tests.support.dataset import lines

STEPS = """
from studio import Node


class Where(Node):
    def run(self, text: str) -> str:
        return text + " {}"
"""
INNER = "inputs: {text: text}\nnodes: {w: {use: './steps.py:Where', cache: never, in: {text: text}}}\noutputs: {w: w}"
OUTER = """
inputs: {text: {type: text, default: hi}, note: {type: file, default: note.txt}}
nodes:
  inside: {use: ./inner.yaml, in: {text: text}}
  read: {use: Read, cache: never, in: {file: note}}
  constant: {use: Read, cache: never, with: {file: note.txt}}
outputs: {w: inside.w, note: read, constant: constant}
"""
LOCAL = {"executor": "local", "cache": False}


class Read(studio.Node):
    """The text of a file."""

    def run(self, file: studio.File) -> str:
        return file.path.read_text()


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two folders with files of the same names; this process works in the first."""
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "steps.py").write_text(STEPS.format(f"of {name}"))
        (folder / "inner.yaml").write_text(INNER)
        (folder / "outer.yaml").write_text(OUTER)
        (folder / "note.txt").write_text(name)
        (folder / "rows.jsonl").write_text(f'{{"text": "{name}"}}\n')
    monkeypatch.chdir(tmp_path / "one")
    return tmp_path


@pytest.mark.parametrize("source", ["outer.yaml", OUTER])
@pytest.mark.parametrize("bound", [False, True])
def test_a_loaded_graph_is_its_own_wherever_one_goes(folders, monkeypatch, source, bound):
    graph = studio.load(source, nodes=[Read])
    if bound:
        graph.check()
    monkeypatch.chdir(folders / "other")
    assert dict(graph.run(options=LOCAL)) == {"w": "hi of one", "note": "one", "constant": "one"}
    assert graph.run(note="note.txt", options=LOCAL)["note"] == "other"  # what is given starts where the caller is


def test_paths_of_a_graph_inside_start_from_its_own_folder(folders, monkeypatch):
    """Of defaults, alone and in lists, and of constants; wherever the process is."""
    (folders / "one" / "deep").mkdir()
    (folders / "one" / "deep" / "note.txt").write_text("deep")
    (folders / "one" / "deep" / "read.yaml").write_text("""
inputs: {notes: {type: "list[file]", default: [note.txt, ./note.txt]}}
nodes:
  given: {use: Read, each: file, in: {file: notes}}
  own: {use: Read, with: {file: note.txt}}
outputs: {given: given, own: own}
""")
    outer = """
nodes:
  plain: {use: ./deep/read.yaml}
  set: {use: ./deep/read.yaml, with: {notes: [note.txt]}}
outputs: {plain: plain.given, own: plain.own, set: set.given}
"""
    graph = studio.load(outer, nodes=[Read])
    monkeypatch.chdir(folders)  # here is no such file
    assert not graph.check()
    assert dict(graph.run(options=LOCAL)) == {"plain": ["deep", "deep"], "own": "deep", "set": ["one"]}


def test_what_is_given_is_found_though_the_caller_goes_on(folders, monkeypatch):
    graph = studio.load("outer.yaml", nodes=[Read])
    events = graph.stream(note="note.txt", options={**LOCAL, "cache": "./c"})
    rows = graph.map("rows.jsonl", note="note.txt", resume="out", options=LOCAL)
    given = graph.map([{"note": "note.txt"}], options=LOCAL)
    monkeypatch.chdir(folders / "other")
    assert [event for event in events if isinstance(event, studio.RunFinished)]
    assert [(row["w"], row["note"]) for row in rows] == [("one of one", "one")]
    assert [row["note"] for row in given] == ["one"]
    assert len(lines(folders / "one" / "out")) == 1
    assert {path.name for path in folders.glob("*/c")} | {path.name for path in folders.glob("*/out")} == {"c", "out"}
    assert not (folders / "other" / "c").exists()
    assert not (folders / "other" / "out").exists()


def test_the_home_is_the_home_everywhere(folders, monkeypatch):
    """In what is given, and in what says where things go; wherever the process is, and whatever is set later."""
    home = folders / "other"
    monkeypatch.setenv("HOME", str(home))
    graph = studio.load("~/outer.yaml", nodes=[Read])
    rows = graph.map("~/rows.jsonl", note="~/note.txt", resume="~/rows", options={**LOCAL, "cache": "~/c"})
    monkeypatch.setenv("HOME", "/nowhere")
    assert [(row["w"], row["note"]) for row in rows] == [("other of other", "other")]
    monkeypatch.setenv("HOME", str(home))
    graph.run(options=LOCAL).save("~/saved")
    assert {"c", "rows", "saved"} <= {path.name for path in home.iterdir()}
    assert not (folders / "one" / "~").exists()


def test_a_cache_stays_where_it_was_made(folders, monkeypatch):
    monkeypatch.setenv("STUDIO_CACHE", "here")
    cache = studio.Cache()
    monkeypatch.chdir(folders / "other")
    graph = studio.load("nodes: {p: {use: Pixels}}\noutputs: {p: p}", nodes=[Pixels])
    graph.run(options={"executor": "local", "cache": cache})
    assert list((folders / "one" / "here").rglob("blobs/*/*"))
    assert not (folders / "other" / "here").exists()


class Pixels(studio.Node):
    """A picture."""

    def run(self) -> studio.Image:
        return studio.Image(np.zeros((40, 40, 3), np.uint8))


def test_a_deleted_working_folder_stops_no_graph(folders, tmp_path, monkeypatch):
    graph = studio.load("outer.yaml", nodes=[Read])
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert graph.run(options=LOCAL)["w"] == "hi of one"
    text = "inputs: {text: text}\nnodes: {w: {use: text.template, with: {template: '{{text}}'}, in: {text: text}}}\noutputs: {w: w}"
    assert studio.load(text).run(text="a", options=LOCAL)["w"] == "a"


class Weighed(studio.Node):
    """What its weights say."""

    class Config(studio.Node.Config):
        model: str = "weights.txt"

    @classmethod
    def identity(cls, config, fingerprint):
        return fingerprint(Path(config.model))

    def setup(self) -> None:
        self.says = Path(self.config.model).read_text()

    def run(self, text: str) -> str:
        return f"{text} {self.says}"


def test_weights_are_those_of_the_folder_of_the_run(executor, folders, cache_folder, monkeypatch):  # noqa: F811
    graph = studio.load(
        "inputs: {text: text}\nnodes: {w: {use: Weighed, in: {text: text}}}\noutputs: {w: w}", nodes=[Weighed]
    )
    options = {"executor": executor}
    for name in ("one", "other", "one"):
        monkeypatch.chdir(folders / name)
        Path("weights.txt").write_text(f"of {name}")
        assert graph.run(text="a", options=options)["w"] == f"a of {name}"
    rows = graph.map([{"text": "b"}], options=options)
    monkeypatch.chdir(folders / "other")
    for _ in rows:  # in whichever folder: what is kept is what the key says
        pass
    for name in ("other", "one"):
        monkeypatch.chdir(folders / name)
        assert graph.run(text="b", options=options)["w"] == f"b of {name}"
