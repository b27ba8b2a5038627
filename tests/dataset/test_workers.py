"""What becomes of items when workers die, batches break and time runs out."""

import pytest

import studio
from tests.support.dataset import ends
from tests.support.dataset_nodes import Choosy, Deadly, Nap

LOCAL = "local"
EXECUTORS = ["local", pytest.param("ray", marks=pytest.mark.ray)]


@pytest.fixture(params=EXECUTORS)
def executor(request):
    return request.getfixturevalue("ray_executor") if request.param == "ray" else request.param


@pytest.fixture(params=[True, False], ids=["cached", "uncached"])
def options(request, executor):
    return {"executor": executor, **({} if request.param else {"cache": False})}


def of(node, **fields):
    told = f"{{use: {node.__name__}, in: {{PORT: PORT}}, batch: 16, with: {fields}}}".replace("'", '"')
    port = "number" if node is Nap else "text"
    text = f"inputs: {{PORT: {port}}}\nnodes: {{a: {told}}}\noutputs: {{x: a}}".replace("PORT", port)
    return studio.load(text, nodes=[node])


def rows(texts):
    return [{"id": str(n), "text": text} for n, text in enumerate(texts)]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("cache", [True, False])
def test_workers_that_die_now_and_then(ray_executor, tmp_path, cache):
    """Five of sixty rows kill their worker the first time: all are right in the end."""
    texts = [f"x{n}" if n % 12 == 5 else f"t{n}" for n in range(60)]
    options = {"executor": ray_executor, **({} if cache else {"cache": False})}
    found = ends(of(Deadly, folder=str(tmp_path)), rows(texts), options)
    assert found == {str(n): {"x": text.upper()} for n, text in enumerate(texts)}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 37, 63])
def test_a_row_that_always_kills_its_worker(ray_executor, tmp_path, place):
    texts = ["poison" if n == place else f"t{n}" for n in range(64)]
    found = ends(of(Deadly, folder=str(tmp_path)), rows(texts), {"executor": ray_executor})
    assert {id: each for id, each in found.items() if id != str(place)} == {
        str(n): {"x": text.upper()} for n, text in enumerate(texts) if n != place
    }
    assert found[str(place)].startswith("step 'a' failed: its worker died 3 times")
    assert "\n" not in found[str(place)]


@pytest.mark.parametrize("bad", ["bad", "worst"])
def test_one_of_a_batch_raises(options, bad):
    texts = [bad if n in (0, 20) else f"t{n}" for n in range(40)]
    found = ends(of(Choosy), rows(texts), options)
    assert {id: each for id, each in found.items() if id not in ("0", "20")} == {
        str(n): {"x": f"{text}?"} for n, text in enumerate(texts) if n not in (0, 20)
    }
    for id in ("0", "20"):
        assert found[id].startswith(f"step 'a' failed: ValueError: {bad}")


def test_a_step_with_a_limit_of_time(options):
    graph = "inputs: {number: number}\nnodes: {a: {use: Nap, in: {number: number}, timeout: 0.5}}\noutputs: {x: a}"
    given = [{"id": str(n), "number": 30 if n == 3 else 0.01} for n in range(8)]
    found = ends(studio.load(graph, nodes=[Nap]), given, options)
    assert found.pop("3").startswith("step 'a' failed: ")
    assert found == {str(n): {"x": 0.01} for n in range(8) if n != 3}


def test_tried_again(options, tmp_path):
    graph = f"inputs: {{text: text}}\nnodes: {{a: {{use: Flaky, in: {{text: text}}, with: {{tally: '{tmp_path / 't'}', times: 3}}, retries: 3}}}}\noutputs: {{x: a}}"
    assert ends(graph, rows(["a", "b", "c"]), options) == {str(n): {"x": text} for n, text in enumerate("abc")}


def test_what_can_never_run_is_said_at_once(executor):
    graph = "inputs: {text: text}\nnodes: {a: {use: Greedy, in: {text: text}}}\noutputs: {x: a}"
    with pytest.raises(studio.ResourcesMissing, match="step 'a'"):
        ends(graph, rows(["a", "b"]), {"executor": executor})


def test_a_worker_that_cannot_be_set_up_fails_each_item(options):
    graph = "inputs: {text: text}\nnodes: {a: {use: BadSetup, in: {text: text}}}\noutputs: {x: a}"
    found = ends(graph, rows(["a", "b", "c"]), options)
    assert len(found) == 3
    assert all("no weights here" in each for each in found.values())
