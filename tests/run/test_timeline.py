"""The timeline: events, and where the time of each step went."""

import pytest

import studio
from studio import Measures
from studio.run.timeline import Timeline, in_lanes
from tests.support.door import run_log


def heard(*events) -> Timeline:
    timeline = Timeline()
    for event in events:
        timeline.hear(event)
    return timeline


def parts(timeline, step="s"):
    return [(each.part, each.start, each.end) for each in timeline.spans(step)]


def finished(at, step="s", element=None, log="", **more):
    return studio.StepFinished(step, "k", {}, Measures(4.0, **more), log, element=element, at=at)


SPANS = {"read": 1.0, "compute": 4.0, "encode": 2.0}


def test_a_step_that_loads():
    timeline = heard(
        studio.StepWaiting("s", at=10),
        studio.StepLoading("s", at=12),
        studio.StepStarted("s", at=15),
        finished(23, began=15.5, worker=3, spans=SPANS),
    )
    assert parts(timeline) == [
        ("queue", 10, 12), ("load", 12, 15), ("transfer", 15.5, 16.5), ("compute", 16.5, 20.5), ("encode", 20.5, 22.5),
    ]  # fmt: skip
    assert {each.worker for each in timeline.spans()} == {3}
    assert timeline.history("s").status == "done"
    assert timeline.spent("s") == 10


def test_a_step_that_finds_its_worker_ready():
    timeline = heard(
        studio.StepWaiting("s", at=10), studio.StepStarted("s", at=11), finished(20, began=12, spans=SPANS)
    )
    assert parts(timeline)[:2] == [("queue", 10, 11), ("transfer", 12, 13)]


@pytest.mark.parametrize("began", [0.0, 3.0, 99.0])
def test_another_clock_puts_nothing_outside_the_step(began):
    timeline = heard(
        studio.StepWaiting("s", at=10), studio.StepStarted("s", at=11), finished(20, began=began, spans=SPANS)
    )
    assert all(10 <= start < end <= 20 for _, start, end in parts(timeline))


def test_a_restart_is_two_spells():
    timeline = heard(
        studio.StepWaiting("s", at=10), studio.StepStarted("s", at=11), studio.StepRestarted("s", "died", at=14),
        studio.StepStarted("s", at=15), finished(20, began=15.0, spans=SPANS),
    )  # fmt: skip
    assert [(work_span.start, work_span.end) for work_span in timeline.work_spans()] == [(11, 14), (15, 20)]
    assert timeline.history("s").restarts == ["died"]


def test_elements_count_and_the_whole_does_not_count_again():
    timeline = heard(
        studio.StepWaiting("s", at=10),
        *(studio.StepStarted("s", element=n, at=11 + n) for n in (0, 1)),
        *(finished(20 + n, element=n, began=11.0 + n, spans=SPANS, worker=0) for n in (0, 1)),
        finished(22, spans=SPANS),
    )
    assert timeline.spent("s") == 14
    assert [history.element for history in timeline.elements("s")] == [0, 1]
    assert len(in_lanes(timeline.work_spans())) == 2  # they overlap


def test_the_critical_path_is_what_the_end_waited_for():
    log = run_log(
        "nodes: {a: {use: Slow, with: {text: x, seconds: 0.2}}, b: {use: Upper, with: {text: y}},"
        " c: {use: Pair, in: {left: a, right: b}}}\noutputs: {x: c}"
    )
    timeline = heard(*log.events)
    assert timeline.critical({"a": [], "b": [], "c": ["a", "b"]}) == ["a", "c"]
    assert timeline.slowest() == "a"
    assert timeline.seconds >= 0.2
    assert timeline.ended


def test_of_a_cached_run_nothing_is_slowest():
    graph = "nodes: {a: {use: Upper, with: {text: x}}}\noutputs: {x: a}"
    run_log(graph)
    timeline = heard(*run_log(graph).events)
    assert timeline.slowest() == ""
    assert timeline.history("a").status == "cached"


def test_failures_and_what_they_leave_out():
    log = run_log("nodes: {a: {use: Boom, with: {text: x}}, b: {use: Upper, in: {text: a}}}\noutputs: {x: b}")
    timeline = heard(*log.events)
    assert "boom" in timeline.history("a").message
    assert (timeline.history("a").status, timeline.history("b").status) == ("failed", "skipped")
    assert timeline.critical({"a": [], "b": ["a"]}) == ["a"]
