"""A fan: many steps side by side."""

import studio
from tests.support.door import ran, run_log


def fan(count: int, node: str, more: str = "") -> str:
    steps = "\n".join(f"  s{n}: {{use: {node}, in: {{text: text}}{more.format(n=n)}}}" for n in range(count))
    wires = ", ".join(f"s{n}" for n in range(count))
    return (
        f"inputs: {{text: text}}\nnodes:\n{steps}\n  all: {{use: Join, in: {{texts: [{wires}]}}}}\noutputs: {{x: all}}"
    )


def test_a_wide_one_keeps_its_order():
    log = run_log(fan(60, "Upper", ", with: {{end: e{n}}}"), text="a")
    assert log.outputs == {"x": "+".join(f"Ae{n}" for n in range(60))}
    assert len(log.steps("done")) == 61


def test_each_step_runs_once(tally):
    """However the ends of quick tasks overlap."""
    run_log(fan(40, "Counter", f", with: {{{{tally: '{tally}', mark: m{{n}}}}}}"), text="a")
    assert ran(tally) == 40


def test_equal_steps_compute_once(tally):
    log = run_log(fan(6, "Counter", f", with: {{{{tally: '{tally}'}}}}"), text="a")
    assert ran(tally) == 1
    assert len(log.steps("done")) == 2
    assert len(log.steps("cached")) == 5


def test_equal_steps_without_a_cache_compute_each(tally):
    run_log(fan(3, "Counter", f", with: {{{{tally: '{tally}'}}}}"), text="a", options={"cache": False})
    assert ran(tally) == 3


def test_side_by_side():
    log = run_log(fan(3, "Slow", ", with: {{seconds: 0.5{n}}}"), text="a")
    slow = {f"s{n}" for n in range(3)}
    started, ended = (
        [e.at for e in log.of(kind) if e.step in slow] for kind in (studio.StepStarted, studio.StepFinished)
    )
    assert max(started) < min(ended)
