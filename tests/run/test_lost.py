"""Values that are lost with the process that held them: those who made them make them again."""

from concurrent.futures import Future

import pytest

import studio
from studio.executors.local import LocalExecutor
from studio.executors.task import Failed
from tests.support import fakes
from tests.support.door import ran, run_log

GRAPH = """
nodes:
  low: {use: Tone, with: {hertz: 200}}
  loud: {use: CountedLouder, in: {audio: low}, with: {tally: TALLY}}
  level: {use: Loudness, in: {audio: loud}}
outputs: {level: level}
"""


class CountedLouder(studio.Node):
    """Sound as it is, and a line in a file for each time it ran."""

    class Config(studio.Node.Config):
        tally: str

    def run(self, audio: studio.Audio) -> studio.Audio:
        with open(self.config.tally, "a") as file:
            file.write("ran\n")
        return audio


class Forgetful(LocalExecutor):
    """Says so many times that what a node needs is lost."""

    def __init__(self, **times: int) -> None:
        super().__init__()
        self.times = times

    def _call(self, worker, tasks):
        name = tasks[0].recipe.name
        if not self.times.get(name):
            return super()._call(worker, tasks)
        self.times[name] -= 1
        answer: Future = Future()
        answer.set_result([Failed("a value that it needs was lost", lost=True) for _ in tasks])
        return answer


def log_of(graph, tmp_path, **times):
    executor = Forgetful(**times)
    graph = graph.replace("TALLY", str(tmp_path / "tally"))
    try:
        return run_log(graph, options={"executor": executor, "cache": False}, nodes=[*fakes.ALL, CountedLouder])
    finally:
        executor.close()


@pytest.mark.parametrize("times", [0, 1, 3])
def test_what_was_lost_is_made_again(tmp_path, times):
    log = log_of(GRAPH, tmp_path, Loudness=times)
    assert log.outputs["level"] > 0
    assert ran(tmp_path / "tally") == 1 + times
    assert log.steps("restarted") == ["loud"] * times


def test_what_is_lost_again_and_again_is_a_failure(tmp_path):
    log = log_of(GRAPH, tmp_path, Loudness=9)
    assert "was lost" in log.result.failures["level"]


def test_elements_that_were_lost_are_made_again(tmp_path):
    graph = """
nodes:
  low: {use: Tone, with: {hertz: 200}}
  high: {use: Tone, with: {hertz: 900}}
  loud: {use: CountedLouder, each: audio, in: {audio: [low, high]}, with: {tally: TALLY}}
  level: {use: Loudness, each: audio, in: {audio: loud}}
outputs: {level: level}
"""
    log = log_of(graph, tmp_path, Loudness=1)
    assert len(log.outputs["level"]) == 2
    assert ran(tmp_path / "tally") == 4


def test_what_made_it_may_have_lost_its_own_inputs(tmp_path):
    graph = GRAPH.replace(
        "loud: {use: CountedLouder, in: {audio: low}",
        "more: {use: Louder, in: {audio: low}}\n  loud: {use: CountedLouder, in: {audio: more}",
    )

    class ForgetfulAgain(Forgetful):
        def _call(self, worker, tasks):
            if tasks[0].recipe.name == "CountedLouder" and not self.times["Loudness"]:
                self.times.setdefault("CountedLouder", 1)  # once, when it is to run again
            return super()._call(worker, tasks)

    executor = ForgetfulAgain(Loudness=1)
    log = run_log(
        graph.replace("TALLY", str(tmp_path / "tally")),
        options={"executor": executor, "cache": False},
        nodes=[*fakes.ALL, CountedLouder],
    )
    executor.close()
    assert log.outputs["level"] > 0
    assert ran(tmp_path / "tally") == 2
    assert set(log.steps("restarted")) == {"loud", "more"}
