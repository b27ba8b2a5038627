"""What a node prints reaches the user while its step runs, and stands whole in the step's end."""

import io
import threading

import pytest

import studio
from studio.commands.terminal import Report
from studio.executors.ray.printed import LogTail, Printed, printed_to


class Talks(studio.Node):
    """Prints, waits for a file to appear, and prints again."""

    class Config(studio.Node.Config):
        token: str
        go: str = ""

    def setup(self) -> None:
        print("set up")

    def run(self, text: str) -> str:
        import pathlib
        import sys
        import time

        print("first of", text)
        print("with", self.config.token, file=sys.stderr)
        print("half a", end=" ")
        end = time.monotonic() + 60
        while self.config.go and not pathlib.Path(self.config.go, text).exists():
            if time.monotonic() > end:
                raise TimeoutError("nobody heard the first lines")
            time.sleep(0.05)
        print("line")
        print("ürgent\udcff")
        return text


GRAPH = """
inputs: {text: text}
nodes: {t: {use: Talks, in: {text: text}, with: {token: '${env:TOKEN}', go: GO}}}
outputs: {x: t}
"""
AT_ONCE = "first of %s\nwith ***\n"
AT_THE_END = "half a line\nürgent\udcff\n"


@pytest.fixture(params=["ray", "warm"])
def executor(request, monkeypatch):
    monkeypatch.setenv("TOKEN", "swordfish-9")
    return request.getfixturevalue(f"{request.param}_executor")


@pytest.mark.ray
def test_lines_come_while_the_step_runs(executor, tmp_path):
    graph = studio.load(GRAPH.replace("GO", str(tmp_path)), nodes=[Talks])
    for text, setup in (("a", "set up\n"), ("b", "")):
        events = []
        for event in graph.stream(text=text, options={"executor": executor, "cache": False}):
            events.append(event)
            if isinstance(event, studio.StepLogged) and "with" in event.text:
                (tmp_path / text).touch()
        (finished,) = [event for event in events if isinstance(event, studio.StepFinished)]
        assert finished.log == setup + AT_ONCE % text + AT_THE_END
        logged = "".join(event.text for event in events if isinstance(event, studio.StepLogged))
        assert logged.startswith(setup + AT_ONCE % text)
        assert "swordfish" not in repr(events)


@pytest.mark.ray
def test_a_data_set_sends_none(ray_executor, tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN", "swordfish-9")
    graph = studio.load(GRAPH.replace("GO", str(tmp_path)), nodes=[Talks])
    rows = [{"text": text} for text in "abc"]
    threading.Timer(2, lambda: [(tmp_path / text).touch() for text in "abc"]).start()  # lines could come until then
    heard = list(graph.start_map(rows, {}, {"executor": ray_executor, "cache": False}).events())
    assert heard
    assert not [event for event in heard if isinstance(event, studio.StepLogged)]


def test_the_terminal_shows_each_line_once():
    stream = io.StringIO()
    with Report(stream) as report:
        report.hear(studio.StepLogged("t", "one\ntwo\n"))
        assert stream.getvalue() == "t │ one\nt │ two\n"
        report.hear(studio.StepLogged("t", "three\n", element=4))
        report.hear(studio.StepFinished("t", "", {}, studio.Measures(), log="three\nfour", element=4))
        report.hear(studio.StepFailed("t", "no", log="one\ntwo\nfive\n"))
    assert [line for line in stream.getvalue().splitlines() if "│" in line] == [
        "t │ one",
        "t │ two",
        "t[4] │ three",
        "t[4] │ four",
        "t │ five",
    ]


def test_a_progress_bar_is_one_line_in_its_last_state():
    stream = io.StringIO()
    bar = "".join(f"\r{n:3} %" for n in range(0, 101, 10))
    with Report(stream) as report:
        report.hear(studio.StepLogged("t", f"before\n{bar}\n"))
        report.hear(studio.StepFinished("t", "", {}, studio.Measures(), log=f"before\n{bar}\nafter\x0bit\r\n"))
    shown = [line for line in stream.getvalue().split("\n") if "│" in line]
    assert shown == ["t │ before", "t │ 100 %", "t │ after\x0bit"]


def test_a_step_that_starts_over_prints_anew():
    stream = io.StringIO()
    with Report(stream) as report:
        report.hear(studio.StepLogged("t", "one\n"))
        report.hear(studio.StepRestarted("t", "its worker died"))
        report.hear(studio.StepFinished("t", "", {}, studio.Measures(), log="one\ntwo\n"))
    assert [line for line in stream.getvalue().splitlines() if "│" in line] == ["t │ one", "t │ one", "t │ two"]


def test_lines_in_a_file(tmp_path):
    tail, printed = LogTail(str(tmp_path / "log")), Printed(str(tmp_path / "log"))
    assert tail.new_lines() == ""
    with printed_to(printed):
        print("one")
        print("half", end="")
        assert tail.new_lines() == "one\n"
        assert tail.new_lines() == ""
        print(" done")
        assert tail.new_lines() == "half done\n"
    assert printed.getvalue() == "one\nhalf done\n"
    print("not in there", file=printed)  # a thread of the node's that goes on
    assert tail.new_lines() == ""
    assert not list(tmp_path.iterdir())


def test_a_file_whose_writer_has_died_is_removed(tmp_path):
    tail, printed = LogTail(str(tmp_path / "log")), Printed(str(tmp_path / "log"))
    printed.write("one\n")
    assert tail.new_lines() == "one\n"
    tail.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["", "/no/such/folder/log"])
def test_without_a_file_all_comes_at_the_end(path):
    printed = Printed(path)
    with printed_to(printed):
        print("one")
    assert printed.getvalue() == "one\n"
