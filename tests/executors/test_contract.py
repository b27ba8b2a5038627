"""One suite for every executor that there is: they give the same results, and end in the same ways."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import studio
from studio.executors import NAMES, executor_class
from tests.support.door import load, ran, run_log

MACHINE = studio.Machine(cpus=2, gpus=2, memory=8 << 30)
MARKS = {"ray": pytest.mark.ray, "warm": pytest.mark.ray}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in NAMES])
def executor(request):
    if request.param in ("ray", "warm"):
        yield request.getfixturevalue(f"{request.param}_executor")
    else:
        found = executor_class(request.param)(MACHINE)
        yield found
        found.close()


@pytest.fixture
def log(executor):
    return lambda graph, options=None, /, **inputs: run_log(
        graph, options={"executor": executor, **(options or {})}, **inputs
    )


def at_rest(executor) -> bool:
    """Whether nothing that was asked for is waited for any more."""
    pool = getattr(executor, "_pool", None)
    return not (pool.calls or pool.queues if pool else executor._requests)


EVERYTHING = """
inputs: {text: text}
nodes:
  sound: {use: Tone}
  quiet: {use: Louder, in: {audio: sound}}
  level: {use: Loudness, in: {audio: quiet}}
  picture: {use: Pixels}
  bright: {use: Brightness, in: {image: picture}}
  split: {use: Split, in: {text: text}}
  vector: {use: Embed, in: {text: split.rest}}
  total: {use: Total, in: {vectors: [vector, vector]}}
  echo: {use: Echo, with: {data: {a: [1, 1.0, "1", true, null]}}}
  maybe: {use: Maybe}
  both: {use: Join, in: {texts: [text, split.first, maybe]}}
outputs: {sound: quiet, level: level, picture: picture, bright: bright, total: total, echo: echo, both: both, length: split.length}
"""


@pytest.mark.parametrize("cached", [True, False])
def test_the_same_results_everywhere(log, cached):
    options = {} if cached else {"cache": False}
    expected = run_log(EVERYTHING, options={"cache": False}, text="hello").outputs
    assert log(EVERYTHING, options, text="hello").outputs == expected
    again = log(EVERYTHING, options, text="hello")
    assert again.outputs == expected
    assert len(again.steps("cached")) == (11 if cached else 0)


FILES = """
inputs: {{file: file, texts: "list[text]"}}
nodes:
  made: {{use: "{nodes}:OnePlace", each: text, in: {{text: texts}}, with: {{place: "{folder}/made.txt"}}}}
  read: {{use: "{nodes}:Read", each: file, in: {{file: made}}}}
  all: {{use: "{nodes}:ReadAll", in: {{files: made}}}}
  given: {{use: "{nodes}:Read", in: {{file: file}}}}
  same: {{use: "{nodes}:Same", in: {{file: file}}}}
  again: {{use: "{nodes}:Read", in: {{file: same}}}}
outputs: {{made: made, read: read, all: all, given: given, again: again, same: same}}
"""


@pytest.mark.parametrize("cached", [True, False])
def test_a_file_is_its_content_and_its_name_everywhere(log, tmp_path, cached):
    graph = FILES.format(nodes="tests.support.file_nodes", folder=tmp_path)
    options = {} if cached else {"cache": False}
    (tmp_path / "a.csv").write_text("same")
    seen = ["made.txt: one", "made.txt: two", "made.txt: one"]
    for file, name in (
        (tmp_path / "a.csv", "a.csv"),
        (studio.File(tmp_path / "a.csv", name="b.csv"), "b.csv"),
        (studio.File.from_bytes(b"same", name="c.csv"), "c.csv"),
        (tmp_path / "a.csv", "a.csv"),
    ):
        result = log(graph, options, file=file, texts=["one", "two", "one"]).result.require()
        (tmp_path / "made.txt").write_text("later")
        assert result["read"] == seen
        assert result["all"] == ", ".join(seen)
        assert [result["given"], result["again"]] == [f"{name}: same"] * 2
        assert [(file.name, file.path.read_text()) for file in result["made"]] == [
            ("made.txt", text) for text in ("one", "two", "one")
        ]
        assert (result["same"].name, result["same"].path.read_text()) == (name, "same")


@pytest.mark.parametrize("cached", [True, False])
def test_an_input_that_changes_while_it_is_read(executor, log, tmp_path, cached):
    place = tmp_path / "a.txt"
    place.write_text("before")
    graph = f"""
inputs: {{file: file}}
nodes: {{s: {{use: "tests.support.file_nodes:Meddler", in: {{file: file}}, with: {{place: "{place}"}}}}}}
outputs: {{x: s}}
"""
    found = log(graph, {} if cached else {"cache": False}, file=place)
    if cached or executor.name == "warm":  # there is a copy: in the store, or what was sent to the service
        assert found.outputs == {"x": "before"}
    else:
        assert found.result.failures["s"].startswith(f"its input 'file': the file '{place}' has changed since")


def test_large_plain_values_travel(log):
    graph = "inputs: {text: text}\nnodes: {a: {use: Upper, in: {text: text}}, b: {use: Split, in: {text: a}}}\noutputs: {x: b.rest, n: b.length}"
    big = "ab" * (1 << 20)
    for _ in range(2):
        assert log(graph, text=big).outputs == {"x": big.upper()[1:], "n": len(big)}


def test_an_error_is_a_failed_step(log):
    found = log("nodes: {s: {use: Boom, with: {text: x}}}\noutputs: {o: s}")
    assert found == [("failed", "s")]
    assert found.result.failures["s"].startswith("ValueError: boom: x (")
    assert "Traceback" in found.of(studio.StepFailed)[0].trace


def test_a_worker_that_cannot_be_set_up(log):
    found = log("nodes: {s: {use: BadSetup, with: {text: x}}}\noutputs: {o: s}")
    assert "no weights here" in found.result.failures["s"]


def test_a_timeout_stops_the_step(log):
    log(
        "nodes: {s: {use: Slow, with: {text: x, seconds: 30.5, tally: ''}, timeout: 0.1}}\noutputs: {o: s}"
    )  # workers are up
    started = time.perf_counter()
    found = log("nodes: {s: {use: Slow, with: {text: x, seconds: 60.0}, timeout: 0.3}}\noutputs: {o: s}")
    assert found == [("failed", "s")]
    assert "took longer than its timeout of 0.3 s" in found.result.failures["s"]
    assert time.perf_counter() - started < 500


def test_work_goes_on_after_a_timeout(log):
    graph = "nodes: {s: {use: Slow, with: {text: %s, seconds: %s}, timeout: 5}}\noutputs: {o: s}"
    log((graph % ("x", 30.0)).replace("timeout: 5", "timeout: 0.2"))
    assert log(graph % ("y", 0.01)).outputs == {"o": "slow y"}


def test_cancel(executor):
    graph = load("nodes: {s: {use: Slow, with: {text: x, seconds: 60.5}}}\noutputs: {o: s}")
    run, _ = graph.start({}, {"executor": executor})
    started = time.perf_counter()
    with pytest.raises(studio.Cancelled):
        for event in run.events():
            if isinstance(event, studio.StepStarted):
                threading.Timer(0.1, run.cancel).start()
    assert time.perf_counter() - started < 500
    assert at_rest(executor)


def test_a_closed_stream_stops_what_runs(executor):
    graph = load(
        "nodes: {s: {use: Slow, with: {text: x, seconds: 20.0}}, t: {use: Upper, in: {text: s}}}\noutputs: {o: t}"
    )
    stream = graph.stream(options={"executor": executor})
    assert any(isinstance(event, studio.StepStarted) for event in stream)
    stream.close()
    assert at_rest(executor)
    assert run_log(
        "nodes: {u: {use: Upper, with: {text: a}}}\noutputs: {x: u}", options={"executor": executor}
    ).outputs == {"x": "A"}


def sleepers(salt: str, seconds: float, count: int = 3, resources: str = "{cpus: 0}") -> str:
    steps = "\n".join(
        f"  s{n}: {{use: Where, with: {{text: '{salt}', name: s{n}, seconds: {seconds}}}, resources: {resources}}}"
        for n in range(count)
    )
    return f"nodes:\n{steps}\noutputs: {{{', '.join(f's{n}: s{n}' for n in range(count))}}}"


def test_three_sleeps_side_by_side(log):
    for _ in range(2):  # then their workers are all up
        found = log(sleepers("three", 0.6), {"cache": False})
    assert not found.of(studio.StepLoading)
    assert max(e.at for e in found.of(studio.StepStarted)) < min(e.at for e in found.of(studio.StepFinished))


def test_warm_workers_are_not_loaded_again(log):
    text = "nodes: {s: {use: Upper, with: {text: %s, end: warm}}}\noutputs: {o: s}"
    log(text % "a")
    found = log(text % "b")
    assert found == [("done", "s")]
    assert not found.of(studio.StepLoading)


@pytest.mark.parametrize("asked", ["{cpus: 1}", "{gpus: 1}"])
def test_ten_workers_that_each_fill_one_of_two(log, asked):
    found = log(sleepers("ten", 0.01, 10, asked))
    assert len(found.steps("done")) == 10
    places = [found.outputs[f"s{n}"] for n in range(10)]
    assert len({place["pid"] for place in places}) > 1 or places[0]["device"] != "cuda"


def test_a_device_is_told(log):
    found = log(sleepers("device", 0, 2, "{gpus: 1}")).outputs
    assert all(place["device"].startswith("cuda") for place in found.values())
    assert log(sleepers("no device", 0, 1)).outputs["s0"]["device"] == "cpu"


def test_threads_are_the_cpus_asked_for(log):
    assert log(sleepers("threads", 0, 1, "{cpus: 1}")).outputs["s0"]["threads"] == 1
    assert log(sleepers("two threads", 0, 1, "{cpus: 2}")).outputs["s0"]["threads"] == 2


def test_what_never_fits_is_told_at_once(executor):
    graph = "nodes: {a: {use: Slow, with: {text: x, seconds: 60}}, big: {use: Upper, in: {text: a}, resources: {gpus: 64}}}\noutputs: {o: big}"
    started = time.perf_counter()
    with pytest.raises(studio.ResourcesMissing) as caught:
        run_log(graph, options={"executor": executor})
    assert str(caught.value) == "step 'big' (Upper) asks for 64 GPUs, but there are only 2 CPUs, 2 GPUs, 8.0 GiB"
    assert caught.value.exit_code == 5
    assert time.perf_counter() - started < 50


def test_two_graphs_at_once_share_a_worker(executor, tally):
    text = "nodes: {s: {use: Where, with: {text: %s, name: shared}}}\noutputs: {o: s}"
    graphs = [load(text % letter) for letter in "abcd"]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda graph: graph.run(options={"executor": executor})["o"], graphs))
    assert len({place["pid"] for place in found}) == 1


def test_retries_of_a_flaky_step(log, tally):
    graph = f"nodes: {{s: {{use: Flaky, with: {{text: x, tally: '{tally}'}}, retries: 1}}}}\noutputs: {{o: s}}"
    assert log(graph) == [("restarted", "s"), ("done", "s")]
    assert ran(tally) == 2


def test_what_a_node_prints_is_no_output_of_ours(log, capfd):
    found = log("nodes: {s: {use: Secretive, with: {text: x, token: hidden}}}\noutputs: {o: s}")
    assert found.outputs == {"o": "6 x"}


def test_a_chain_of_quick_steps_runs_each_once(log, tally):
    steps = [f"  s0: {{use: Counter, with: {{text: a, tally: '{tally}', mark: '0'}}}}"]
    steps += [
        f"  s{n}: {{use: Counter, in: {{text: s{n - 1}}}, with: {{tally: '{tally}', mark: '{n % 2}'}}}}"
        for n in range(1, 30)
    ]
    found = log("nodes:\n" + "\n".join(steps) + "\noutputs: {o: s29}")
    assert len(found.steps("done")) == 30
    assert ran(tally) == 30
