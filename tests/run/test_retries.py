"""Retries that wait: the delay and its back-off, in a run, over rows and with a run that is left meanwhile."""

import threading
import time
from types import SimpleNamespace

import pytest

import studio
from studio.clock import Clock
from studio.errors import Cancelled
from studio.run import engine
from tests.support.door import load, ran, run_log


def graph(tally, times, retries):
    step = f"{{use: Flaky, with: {{tally: {tally}, times: {times}}}, in: {{text: text}}, retries: {retries}}}"
    return f"inputs: {{text: text}}\nnodes: {{a: {step}}}\noutputs: {{x: a}}"


@pytest.fixture
def delays(monkeypatch):
    """The delays that were asked of the clock; each of them passes at once."""
    asked = []

    class AtOnce(Clock):
        def after(self, seconds, call):
            asked.append(seconds)
            return super().after(0.0, call)

    clock = AtOnce()
    monkeypatch.setattr(engine, "Clock", SimpleNamespace(of_process=lambda: clock))  # those of executors go on
    return asked


def test_each_further_delay_is_longer(tally, delays):
    log = run_log(graph(tally, 4, "{times: 3, delay: 1.5, backoff: 2}"), text="a")
    log.result.require()
    assert log.outputs == {"x": "a"}
    assert delays == [1.5, 3.0, 6.0]
    assert [event.reason.partition("; ")[2] for event in log.of(studio.StepRestarted)] == [
        "trying again in 1.5 s", "trying again in 3 s", "trying again in 6 s",
    ]  # fmt: skip


def test_a_plain_number_waits_for_nothing(tally, delays):
    log = run_log(graph(tally, 3, 2), text="a")
    log.result.require()
    assert not delays
    assert ran(tally) == 3


def test_when_they_are_used_up_the_step_fails(tally, delays):
    log = run_log(graph(tally, 9, "{times: 2, delay: 1}"), text="a")
    assert "not yet" in log.result.failures["a"]
    assert delays == [1.0, 1.0]
    assert ran(tally) == 3


def test_it_really_waits(tally):
    began = time.monotonic()
    run_log(graph(tally, 2, "{times: 1, delay: 0.3}"), text="a").result.require()
    assert time.monotonic() - began >= 0.3


def test_rows_wait_each_for_itself(tmp_path, delays):
    step = f"{{use: FailsOnce, with: {{folder: {tmp_path}}}, in: {{text: text}}, retries: {{times: 1, delay: 2}}}}"
    source = f"inputs: {{text: text}}\nnodes: {{a: {step}}}\noutputs: {{x: a}}"
    rows = [{"text": f"row {n}"} for n in range(20)]
    results = list(load(source, nodes=[FailsOnce]).map(rows, options={"executor": "local"}))
    assert [result["x"] for result in results] == [row["text"] for row in rows]
    assert delays == [2.0] * 20


class FailsOnce(studio.Node):
    """Fails the first time that it sees a text."""

    class Config(studio.Node.Config):
        folder: str

    def run(self, text: str) -> str:
        from pathlib import Path

        seen = Path(self.config.folder) / text.replace(" ", "_")
        if not seen.exists():
            seen.touch()
            raise RuntimeError("not yet")
        return text


def test_a_run_that_waits_can_be_cancelled_and_leaves_no_lease(tally):
    source = graph(tally, 2, "{times: 1, delay: 600}")
    run, _ = load(source).start({"text": "a"}, {"executor": "local"})
    with pytest.raises(Cancelled):
        for event in run.events():
            if isinstance(event, studio.StepRestarted):
                threading.Timer(0.05, run.cancel).start()
    assert run_log(source, text="a").outputs == {"x": "a"}
