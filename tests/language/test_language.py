"""Random graphs with every construct of the language, against a short reference interpreter."""

from collections import Counter
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import studio
from studio.executors import executor_class
from tests.support.door import run_log

LOST = object()  # what a failed step gives
INPUTS = {"p": "ab", "q": "", "o": None}


class Reference:
    """Runs a graph the slow and plain way: one step after the other, when something asks for it."""

    def __init__(self, nodes, inputs) -> None:
        self.nodes, self.inputs, self.runs = nodes, inputs, Counter()
        self.ends, self.skipped, self.failed, self.replaced = {}, set(), set(), set()

    def wire(self, wire, holed=False):
        if isinstance(wire, dict):
            found = [self.wire(each) for each in wire["first_of"]]
            there = [value for value in found if value is not None and value is not LOST]
            return there[0] if there else LOST if LOST in found else None
        if isinstance(wire, list):
            found = [self.wire(each) for each in wire]
            return LOST if LOST in found else None if None in found and not holed else found
        return self.inputs[wire] if wire in self.inputs else self.step(wire)

    def step(self, id):
        if id not in self.ends:
            self.ends[id] = self.end(id, self.nodes[id])
        return self.ends[id]

    def end(self, id, node):
        given = {port: self.wire(wire, node["use"] == "JoinHoled") for port, wire in node["in"].items()}
        condition = [(self.wire(wire), test) for wire, test in node["test"]]
        if LOST in given.values() or LOST in [value for value, _ in condition]:
            self.skipped.add(id)
            return LOST
        needed = [value for port, value in given.items() if port != "note"]
        if None in needed or not all(test(value) for value, test in condition):
            self.skipped.add(id)
            return None
        try:
            return self.run(id, node, **given)
        except ValueError:
            return self.fail(id, node.get("on_error", "fail"))

    def run(self, id, node, text=None, note=None, texts=None):
        if node["use"] in ("Join", "JoinHoled"):
            return "+".join("-" if text is None else text for text in texts)
        if node["use"] == "Letters":
            return list(text[:3])
        if "each" not in node:
            return self.deed(id, node["with"], text, note)
        made = [self.tried(id, node["with"], each, note) for each in text]
        if LOST in made:
            raise ValueError
        return made

    def tried(self, id, config, text, note):
        try:
            return None if text is None else self.deed(id, config, text, note)
        except ValueError:
            return LOST

    def deed(self, id, config, text, note):
        self.runs[f"{id} {text} {note}"] += 1
        if config["fails_on"] and config["fails_on"] in text:
            raise ValueError
        return None if config["silent_on"] and config["silent_on"] in text else f"{text}{id}{note or ''}"[-12:]

    def fail(self, id, remedy):
        if remedy == "skip":
            self.skipped.add(id)
            return None
        instead = LOST if remedy == "fail" else self.wire(remedy["use"])
        (self.failed if instead is LOST else self.replaced).add(id)
        return instead


CONDITIONS = [
    ("len({0}) > 1", lambda value: len(value or "") > 1),
    ("{0} != null", lambda value: value is not None),
    ("{0} == null or 'a' in {0}", lambda value: value is None or "a" in value),
]


@st.composite
def graphs(draw):
    """Steps that read texts and lists of those before them."""
    texts, lists, nodes = list(INPUTS), [], {}
    for n in range(draw(st.integers(1, 8))):
        id = f"s{n}"
        kinds = ["deed", "deed", "deed", "letters", "join", *(["each", "each", "join"] if lists else [])]
        kind = draw(st.sampled_from(kinds))
        text = draw(
            st.one_of(
                st.sampled_from(texts),
                st.lists(st.sampled_from(texts), min_size=1, max_size=3).map(lambda w: {"first_of": w}),
            )
        )
        node = nodes[id] = {"test": []}
        if kind == "letters":
            node |= {"use": "Letters", "in": {"text": text}}
        elif kind == "join":
            gathered = st.lists(st.sampled_from(texts), min_size=1, max_size=3)
            wire = draw(st.one_of(st.sampled_from(lists), gathered) if lists else gathered)
            holed = draw(st.booleans()) or (isinstance(wire, str) and "each" in nodes[wire])
            node |= {"use": "JoinHoled" if holed else "Join", "in": {"texts": wire}}
        else:
            node |= {"use": "Deed", "in": {"text": draw(st.sampled_from(lists)) if kind == "each" else text}}
            if draw(st.booleans()):
                node["in"]["note"] = draw(st.sampled_from(texts))
            node["with"] = {
                "name": id,
                "fails_on": draw(st.sampled_from(["", "", "a", "s"])),
                "silent_on": draw(st.sampled_from(["", "", "", "b"])),
                "seconds": draw(st.sampled_from([0, 0, 0.003])),
            }
            residency = lists if kind == "each" else texts
            node["on_error"] = draw(
                st.sampled_from(["fail", "fail", "skip", *({"use": wire} for wire in residency[-3:])])
            )
            node |= {"each": "text"} if kind == "each" else {}
        if draw(st.integers(0, 3)) == 0:
            words, test = draw(st.sampled_from(CONDITIONS))
            wire = draw(st.sampled_from(texts))
            node |= {"when": words.format(wire), "test": [(wire, test)]}
        (lists if kind in ("each", "letters") else texts).append(id)
    steps = [wire for wire in [*texts, *lists] if wire not in INPUTS]
    wanted = draw(st.lists(st.sampled_from(steps), min_size=1, max_size=4, unique=True))
    return nodes, wanted


_numbers = count()


def check(case, executor, folder):
    nodes, wanted = case
    reference = Reference(nodes, INPUTS)
    expected = {f"o{n}": reference.wire(wire) for n, wire in enumerate(wanted)}
    written = {id: {key: value for key, value in node.items() if key != "test"} for id, node in nodes.items()}
    for cache in (False, folder / "cache", folder / "cache"):
        tally = folder / f"tally{next(_numbers)}"
        tally.touch()
        for node in written.values():
            if node["use"] == "Deed":
                node["with"] = (
                    {**node["with"], "tally": str(tally)}
                    if not cache
                    else {**node["with"], "tally": str(folder / "tally")}
                )
        graph = {
            "inputs": {"p": "text", "q": "text", "o": "text?"},
            "nodes": written,
            "outputs": {f"o{n}": wire for n, wire in enumerate(wanted)},
        }
        loaded = studio.load(graph, nodes=_NODES)
        plan = loaded.plan
        read = {
            s.name
            for id in plan.needed(plan.outputs, spares=True)
            for edge in plan.steps[id].all_edges
            for s in edge.sources
        }
        log = run_log(
            loaded,
            options={"executor": executor, "cache": cache},
            **{name: value for name, value in INPUTS.items() if name in read and value is not None},
        )
        assert log.outputs == {name: value for name, value in expected.items() if value is not LOST}
        steps = log.result.steps
        ends = {
            status: {id for id, step in steps.items() if step.status == status}
            for status in ("skipped", "failed", "replaced")
        }
        assert ends == {"skipped": reference.skipped, "failed": reference.failed, "replaced": reference.replaced}
        assert steps.keys() == reference.ends.keys()  # what nothing asked for never ran
        if not cache:
            assert Counter(tally.read_text().splitlines()) == reference.runs
    made = (folder / "tally").read_text().splitlines() if (folder / "tally").exists() else []
    again = {line for line, _ in reference.runs.items() if fails(nodes, line)}
    assert {*made} == {*reference.runs}
    assert all(count_ <= (2 * reference.runs[line] if line in again else 1) for line, count_ in Counter(made).items())


def fails(nodes, line) -> bool:
    """Whether a deed fails, and so is never kept."""
    id, text, _ = line.split(" ", 2)
    wrong = nodes[id]["with"]["fails_on"]
    return bool(wrong) and wrong in text


from tests.support.fakes import Deed, Join, JoinHoled, Letters  # noqa: E402

_NODES = (Deed, Join, JoinHoled, Letters)


@pytest.fixture(scope="module")
def local():
    executor = executor_class("local")(studio.Machine(cpus=4, memory=1 << 40))
    yield executor
    executor.close()


@given(case=graphs())
@settings(max_examples=50)
def test_local(case, local, tmp_path_factory):
    check(case, local, tmp_path_factory.mktemp("c"))


@pytest.mark.slow
@given(case=graphs())
@settings(max_examples=100)
def test_more_of_them(case, local, tmp_path_factory):
    check(case, local, tmp_path_factory.mktemp("c"))


@pytest.mark.ray
@given(case=graphs())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_ray(case, ray_executor, tmp_path_factory):
    check(case, ray_executor, tmp_path_factory.mktemp("c"))
