"""The working folder and the environment of who asks travel with a task, to whatever process."""

import os

import pytest

import studio
from studio.executors.surroundings import Surroundings
from tests.executors.test_contract import executor, log  # noqa: F401 fixtures

GRAPH = """
inputs: {text: text}
nodes:
  w: {use: 'tests.support.fakes:Surrounded', cache: never, in: {text: text}}
  again: {use: 'tests.support.fakes:Surrounded', cache: never, in: {text: w}}
outputs: {w: w, again: again}
"""


def test_a_task_sees_the_folder_and_the_variables_of_who_asks(log, tmp_path, monkeypatch):  # noqa: F811
    def seen() -> list[str]:
        found = log(GRAPH, {"cache": False}, text="x")
        assert not found.result.failures
        first, second = found.outputs["w"], found.outputs["again"]
        assert second == first.replace("x", first, 1)
        return first.split("|")[1:]

    monkeypatch.setenv("ODD", os.fsdecode(b"no \xff Unicode"))
    for name, word in (("one", "a"), ("two", "b"), ("two", None), ("one", "c")):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setenv("STUDIO_WORD", word) if word else monkeypatch.delenv("STUDIO_WORD")
        assert seen() == [str(tmp_path / name), str(word)]


def test_rows_see_those_of_the_call(executor, tmp_path, monkeypatch):  # noqa: F811
    if executor.name == "local":
        pytest.skip("it runs in the process of the caller, wherever that is")
    (tmp_path / "one").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    rows = studio.load(GRAPH).map([{"text": f"{n}"} for n in range(20)], options={"executor": executor, "cache": False})
    monkeypatch.chdir(tmp_path)
    assert {row["w"].split("|")[1] for row in rows} == {str(tmp_path / "one")}


@pytest.fixture
def kept():
    """This process as it was, once the test is over."""
    env, folder = dict(os.environ), os.getcwd()
    yield
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)


def test_what_belongs_to_a_process_or_a_machine_stays(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", "theirs")
    monkeypatch.setenv("SECRET", "swordfish")
    asked = Surroundings.here()
    assert "swordfish" not in repr(asked)
    told = Surroundings.from_plain(asked.as_plain())
    assert (told.folder, told.env, told.machine) == (asked.folder, asked.env, asked.machine)
    assert "theirs" not in str(asked.as_plain())
    os.environ |= {"RAY_ADDRESS": "ours", "OMP_NUM_THREADS": "7", "LEFT": "over", "HOME": "/here"}
    os.chdir("/")
    elsewhere = Surroundings("/no/such/folder", {"SECRET": "x", "HOME": "/there"}, "another machine")
    elsewhere.settle()
    assert (os.environ["SECRET"], os.environ["HOME"], os.environ["LEFT"], os.getcwd()) == ("x", "/here", "over", "/")
    asked.settle()
    assert (os.environ["SECRET"], os.getcwd()) == ("swordfish", str(tmp_path))
    assert (os.environ["RAY_ADDRESS"], os.environ["OMP_NUM_THREADS"]) == ("ours", "7")
    assert "LEFT" not in os.environ
