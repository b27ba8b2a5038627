"""Random graphs against a small reference interpreter: on every executor, cached and fresh."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import studio
from studio.executors import executor_class
from tests.support.door import run_log


class Step:
    """A step of a random graph: what it is, in YAML and in Python."""

    def __init__(self, id, node, reads, config):
        self.id, self.node, self.reads, self.config = id, node, reads, config

    def yaml(self) -> str:
        wires = {
            "Upper": "text: {0}",
            "Pair": "left: {0}, right: {1}",
            "Join": "texts: [{all}]",
            "Split": "text: {0}",
            "Boom": "text: {0}",
        }
        wire = wires[self.node].format(*self.reads, all=", ".join(self.reads))
        setting = {"Upper": "end", "Join": "by"}.get(self.node)
        with_ = f", with: {{{setting}: '{self.config}'}}" if setting else ""
        return f"  {self.id}: {{use: {self.node}, in: {{{wire}}}{with_}}}"


def reference(steps, inputs) -> tuple[dict, set]:
    """What a graph gives: the values of all wires, and the steps that come to nothing."""
    values, nothing = dict(inputs), set()
    for step in steps:
        if any(wire.partition(".")[0] in nothing for wire in step.reads) or step.node == "Boom":
            nothing.add(step.id)
            continue
        read = [values[wire] for wire in step.reads]
        match step.node:
            case "Upper":
                values[f"{step.id}.text"] = read[0].upper() + step.config
            case "Pair":
                values[f"{step.id}.text"] = f"({read[0]} {read[1]})"
            case "Join":
                values[f"{step.id}.text"] = step.config.join(read)
            case "Split":
                values[f"{step.id}.first"], values[f"{step.id}.rest"] = read[0][:1], read[0][1:]
    return values, nothing


@st.composite
def graphs(draw):
    wires, steps = ["p", "q"], []
    for n in range(draw(st.integers(1, 9))):
        node = draw(st.sampled_from(["Upper", "Upper", "Pair", "Join", "Split", "Boom"]))
        count = {"Pair": 2, "Join": draw(st.integers(1, 3))}.get(node, 1)
        reads = [draw(st.sampled_from(wires)) for _ in range(count)]
        steps.append(Step(f"s{n}", node, reads, draw(st.sampled_from(["", "a", "b"]))))
        wires += [f"s{n}.first", f"s{n}.rest"] if node == "Split" else [f"s{n}.text"]
    wanted = draw(st.lists(st.sampled_from(wires), min_size=1, max_size=4, unique=True))
    written = draw(st.permutations(steps))
    text = "inputs: {p: text, q: text}\nnodes:\n" + "\n".join(step.yaml() for step in written)
    text += "\noutputs: {" + ", ".join(f"o{n}: {wire}" for n, wire in enumerate(wanted)) + "}"
    return steps, wanted, text


def needed(steps, wires) -> set:
    found = set()
    for step in reversed(steps):
        if step.id in {wire.partition(".")[0] for wire in wires}:
            found.add(step.id)
            wires = [*wires, *step.reads]
    return found


def check(case, executor, folder):
    steps, wanted, text = case
    inputs = {"p": "one two", "q": ""}
    values, nothing = reference(steps, inputs)
    expected = {f"o{n}": values[wire] for n, wire in enumerate(wanted) if wire.partition(".")[0] not in nothing}
    due = needed(steps, wanted)
    read = {wire for step in steps if step.id in due for wire in step.reads} | set(wanted)
    given_ = {name: value for name, value in inputs.items() if name in read}
    for cache in (folder, folder, False):
        log = run_log(text, options={"executor": executor, "cache": cache}, **given_)
        assert log.outputs == expected
        happened = [step for word, step in log if word in ("done", "cached", "failed", "skipped")]
        assert sorted(happened) == sorted(due)  # each needed step once, and no other
        assert set(log.steps("failed") + log.steps("skipped")) == nothing & due
        order = {step: place for place, step in enumerate(happened)}
        assert all(order[s.id] > order[w.partition(".")[0]] for s in steps if s.id in due for w in s.reads if "." in w)
    again = run_log(text, options={"executor": executor, "cache": folder}, **given_)
    assert not again.steps("done")  # a second run is free


@pytest.fixture(scope="module")
def local():
    executor = executor_class("local")(studio.Machine(cpus=4, memory=1 << 40))
    yield executor
    executor.close()


@given(case=graphs())
@settings(max_examples=40)
def test_local(case, local, tmp_path_factory):
    check(case, local, tmp_path_factory.mktemp("c") / "cache")


@pytest.mark.slow
@given(case=graphs())
@settings(max_examples=60)
def test_more_of_them(case, local, tmp_path_factory):
    check(case, local, tmp_path_factory.mktemp("c") / "cache")


@pytest.mark.ray
@given(case=graphs())
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
def test_ray(case, ray_executor, tmp_path_factory):
    check(case, ray_executor, tmp_path_factory.mktemp("c") / "cache")
