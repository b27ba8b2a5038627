"""The trace: what Perfetto is given."""

import json

import studio
from studio import Measures
from studio.run.trace import Trace
from tests.support.door import run_log

GRAPH = """
graph: traced
nodes:
  a: {use: Slow, with: {text: x, seconds: 0.05}}
  b: {use: Slow, with: {text: y, seconds: 0.06}}
  c: {use: Pair, in: {left: a, right: b}}
  bad: {use: Boom, with: {text: x}}
outputs: {x: c, y: bad}
"""


def trace_of(events, inline=()):
    trace = Trace(inline)
    for event in events:
        trace.hear(event)
    return trace.as_data()


def of(data, phase):
    return [event for event in data["traceEvents"] if event["ph"] == phase]


def test_it_is_chromes_format(tmp_path):
    trace = Trace()
    for event in run_log(GRAPH).events:
        trace.hear(event)
    data = json.loads(trace.save(tmp_path / "new" / "trace.json").read_text())
    assert data["otherData"]["graph"] == "traced"
    for event in data["traceEvents"]:
        assert {"name", "ph", "pid", "tid"} <= event.keys()
        assert event["ph"] == "M" or event["ts"] >= 0
        assert event["ph"] != "X" or event["dur"] > 0
        assert event["ph"] not in "be" or "id" in event
    assert {event["name"] for event in of(data, "X")} >= {"a", "b", "c", "compute"}
    assert [event["name"] for event in of(data, "i")] == ["bad failed"]
    assert "boom" in of(data, "i")[0]["args"]["message"]


def test_slices_of_a_row_are_apart_or_inside_each_other():
    spans = {"read": 0.1, "compute": 1.0}
    events = [studio.RunStarted("g", ("s",), at=0)]
    events += [studio.StepStarted("s", element=n, at=1 + n / 2) for n in range(4)]
    events += [studio.StepFinished("s", "", {}, Measures(1.0, spans, 1 + n / 2, 7), element=n, at=9) for n in range(4)]
    data = trace_of([*events, studio.RunFinished({}, 9.0, at=9)])
    tasks = [event for event in of(data, "X") if event["cat"] == "task"]
    assert [task["name"] for task in sorted(tasks, key=lambda task: task["ts"])] == [f"s[{n}]" for n in range(4)]
    for one in of(data, "X"):
        for other in of(data, "X"):
            if one is not other and one["tid"] == other["tid"]:
                starts, ends = (max(one["ts"], other["ts"]), min(one["ts"] + one["dur"], other["ts"] + other["dur"]))
                shared = max(0, ends - starts)
                assert shared < 1 or abs(shared - min(one["dur"], other["dur"])) < 1
    names = {event["args"]["name"] for event in of(data, "M")}
    assert {"worker 7", "worker 7 (2)", "worker 7 (3)"} <= names


def test_every_wait_begins_and_ends():
    data = trace_of(run_log(GRAPH).events)
    assert len(of(data, "b")) == len(of(data, "e")) > 0


def test_what_is_cached_is_a_mark():
    graph = "nodes: {a: {use: Upper, with: {text: x}}}\noutputs: {x: a}"
    run_log(graph)
    (mark,) = of(trace_of(run_log(graph).events), "i")
    assert mark["name"] == "a cached"
    assert mark["args"]["seconds_saved"] >= 0


def test_steps_that_run_here_have_a_row_of_their_own():
    data = trace_of(run_log("nodes: {a: {use: Inline, with: {text: x}}}\noutputs: {x: a}").events, inline=["a"])
    assert "this process" in {event["args"]["name"] for event in of(data, "M")}
