"""Two runs in one process: whatever ended the first one, the second neither hangs nor sees what was left behind.

Each class of error once, on each executor: the first run takes up steps that have keys (and so leases) beside one
that goes wrong; the second is the same graph, mended in what enters no key of theirs.
"""

import threading

import numpy as np
import pytest
from PIL import Image

import studio
from studio.errors import Cancelled, InputError, ResourcesMissing, StepError
from studio.executors.local import LocalExecutor
from tests.support.door import load, ran, run_log

LIMIT = 60.0  # seconds in which a run that hangs is told apart from one that is slow


PROCESSES = [pytest.param(name, marks=pytest.mark.ray) for name in ("ray", "warm")]


@pytest.fixture(params=["local", *PROCESSES])
def executor(request):
    if request.param == "local":
        made = LocalExecutor(studio.Machine(cpus=2, gpus=2, memory=8 << 30))
        yield made
        made.close()
    else:
        yield request.getfixturevalue(f"{request.param}_executor")


def ended(source, executor, /, **inputs):
    """A run's log, or what it raised; it is never waited for in vain."""
    found = []

    def run():
        try:
            found.append(run_log(source, options={"executor": executor}, **inputs))
        except studio.StudioError as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LIMIT)
    assert found, "the run hangs"
    return found[0]


def graph(beside: str, tally, out: str = "bad") -> str:
    """A step that counts how often it ran, beside one that goes wrong or does not."""
    return f"""
graph: two
inputs: {{text: text, picture: image?}}
nodes:
  good: {{use: Counter, with: {{tally: {tally}}}, in: {{text: text}}}}
  bad: {beside}
outputs: {{good: good, bad: {out}}}
"""


def mended(executor, tally, **inputs):
    """The second run: all of it is computed or known."""
    log = ended(graph("{use: Upper, in: {text: good}}", tally), executor, text="a", **inputs)
    log.result.require()
    assert log.outputs == {"good": "a", "bad": "A"}
    assert ran(tally) == 1, "what the first run made is known, or was never made"


@pytest.fixture
def picture(tmp_path):
    """A picture that is none, and then one."""
    path = tmp_path / "picture.png"
    path.write_bytes(b"no picture")
    return path


def test_more_than_the_machine_has(executor, tally):
    wrong = graph("{use: Upper, in: {text: text}, resources: {memory: 9000G}}", tally)
    assert isinstance(ended(wrong, executor, text="a"), ResourcesMissing)
    right = graph("{use: Upper, in: {text: text}, resources: {memory: 1M}}", tally)
    for _ in range(2):
        log = ended(right, executor, text="a")
        assert log.outputs == {"good": "a", "bad": "A"}
    assert ran(tally) == 1


def test_an_input_that_is_not_sound(executor, tally, picture):
    source = graph("{use: Brightness, in: {image: picture}}", tally)
    assert isinstance(ended(source, executor, text="a", picture=picture), InputError)
    Image.fromarray(np.full((4, 4, 3), 7, np.uint8)).save(picture)
    log = ended(source, executor, text="a", picture=picture)
    assert log.outputs == {"good": "a", "bad": 7.0}
    assert ran(tally) == 1


def test_an_element_that_is_not_sound(executor, tally, picture):
    source = f"""
graph: two
inputs: {{text: text, pictures: 'list[image]'}}
nodes:
  good: {{use: Counter, with: {{tally: {tally}}}, in: {{text: text}}}}
  bad: {{use: Brightness, each: image, in: {{image: pictures}}}}
outputs: {{good: good, bad: bad}}
"""
    assert isinstance(ended(source, executor, text="a", pictures=[picture, picture]), InputError)
    Image.fromarray(np.full((4, 4, 3), 7, np.uint8)).save(picture)
    log = ended(source, executor, text="a", pictures=[picture, picture])
    assert log.outputs == {"good": "a", "bad": [7.0, 7.0]}


def test_an_input_that_is_missing(executor, tally):
    assert isinstance(ended(graph("{use: Upper, in: {text: good}}", tally), executor), InputError)
    mended(executor, tally)


@pytest.mark.parametrize(
    "beside",
    [
        "{use: Boom, in: {text: good}}",
        "{use: Wrong, in: {text: good}}",
        "{use: BadSetup, in: {text: good}}",
        "{use: Slow, with: {seconds: 30}, in: {text: good}, timeout: 0.1}",
    ],
    ids=["raises", "returns what it did not declare", "cannot be set up", "takes too long"],
)
def test_a_step_that_fails(executor, tally, beside):
    first = ended(graph(beside, tally), executor, text="a")
    with pytest.raises(StepError):
        first.result.require()
    mended(executor, tally)


@pytest.mark.parametrize("executor", PROCESSES, indirect=True)
def test_a_step_that_ends_its_process(executor, tally):
    first = ended(graph("{use: Kill, in: {text: good}}", tally), executor, text="a")
    with pytest.raises(StepError):
        first.result.require()
    mended(executor, tally)


def test_a_model_that_is_not_here(executor, tally):
    first = ended(graph("{use: Weighted, with: {weights: /nowhere}, in: {text: good}}", tally), executor, text="a")
    with pytest.raises(StepError):
        first.result.require()
    mended(executor, tally)


def test_a_run_that_is_cancelled(executor, tally):
    run, _ = load(graph("{use: Slow, with: {seconds: 30}, in: {text: good}}", tally)).start(
        {"text": "a"}, {"executor": executor}
    )
    with pytest.raises(Cancelled):
        for event in run.events():
            if isinstance(event, studio.StepStarted) and event.step == "bad":
                run.cancel()
    mended(executor, tally)


@pytest.mark.parametrize("moment", [studio.RunStarted, studio.StepWaiting, studio.StepStarted, studio.StepFinished])
def test_a_run_whose_reader_leaves(executor, tally, moment):
    run, _ = load(graph("{use: Upper, in: {text: good}}", tally)).start({"text": "a"}, {"executor": executor})
    events = run.events()
    next(event for event in events if isinstance(event, moment))
    events.close()
    log = ended(graph("{use: Upper, in: {text: good}}", tally), executor, text="a")
    assert log.outputs == {"good": "a", "bad": "A"}


def test_a_reader_that_raises(executor, tally):
    run, _ = load(graph("{use: Upper, in: {text: good}}", tally)).start({"text": "a"}, {"executor": executor})
    with pytest.raises(ZeroDivisionError):
        for event in run.events():
            if isinstance(event, studio.StepStarted):
                raise ZeroDivisionError
    del run
    log = ended(graph("{use: Upper, in: {text: good}}", tally), executor, text="a")
    assert log.outputs == {"good": "a", "bad": "A"}


def test_many_rows_of_which_one_is_refused(executor, tally, picture):
    source = graph("{use: Brightness, in: {image: picture}}", tally)
    rows = [{"text": "a", "picture": str(picture)}, {"text": "b"}]
    first = list(load(source).map(rows, options={"executor": executor}))
    assert first[0].status == "failed"
    Image.fromarray(np.full((4, 4, 3), 7, np.uint8)).save(picture)
    second = list(load(source).map(rows, options={"executor": executor}))
    assert second[0].status == "done" and second[0]["bad"] == 7.0
