"""The command, as a shell sees it: words in, exit codes and output out."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from studio.cache.cache import Cache
from studio.commands.arguments import setting_from
from tests.support.at_rest import unused_since_yesterday
from tests.support.processes import COMMAND, begin, command, environment

GRAPH = """
graph: talk
inputs: {text: text, n: {type: number, default: 2}, flag: {type: bool, default: true}, all: {type: 'list[text]', default: []}, data: {type: data, default: {}}}
nodes:
  a: {use: 'tests.support.fakes:Twice', in: {text: text, times: n}}
  up: {use: 'tests.support.fakes:Upper', in: {text: a}}
  list: {use: 'tests.support.fakes:Join', in: {texts: all}}
  echo: {use: 'tests.support.fakes:Echo', in: {data: data}}
  tone: {use: 'tests.support.fakes:Tone'}
outputs: {said: up, list: list, echo: echo, tone: tone, flag: flag}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "g.yaml").write_text(GRAPH)
    (tmp_path / "bad.yaml").write_text(
        "nodes: {b: {use: 'tests.support.fakes:Boom', with: {text: x}}, c: {use: 'tests.support.fakes:Upper', in: {text: b}}}\noutputs: {x: c}"
    )
    (tmp_path / "wrong.yaml").write_text("nodes: {b: {use: text.jion}}\noutputs: {x: c}")
    (tmp_path / "greedy.yaml").write_text(
        "nodes: {b: {use: 'tests.support.fakes:Upper', with: {text: x}, resources: {gpus: 64}}}\noutputs: {x: b}"
    )
    return tmp_path


@pytest.fixture
def studio(folder):
    """Runs the command in a folder of its own."""

    def call(*words, code=0, input="", **env):
        done = command(*words, folder=folder, input=input, **env)
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return call


def run(studio, *words, **more):
    return json.loads(studio("run", "g.yaml", "--json", "--executor", "local", *words, **more).stdout)


def test_run_as_json(studio, folder, cache_folder):
    found = run(studio, "text=ab", 'data={"k": [1, 1.5, null]}', "all=x", "all=y", "flag=no", "n=3")
    assert found["graph"] == "talk"
    assert found["outputs"]["said"] == "ABABAB"
    assert found["outputs"]["list"] == "x+y"
    assert found["outputs"]["echo"] == {"k": [1, 1.5, None]}
    assert found["outputs"]["flag"] is False
    tone = found["outputs"]["tone"]
    assert tone["kind"] == "audio"
    assert Path(tone["path"]).is_file()
    assert len(tone["digest"]) == 64
    assert set(found["steps"]) == {"a", "up", "list", "echo", "tone"}
    assert {step["status"] for step in found["steps"].values()} == {"done"}
    assert all(len(step["key"]) == 64 and step["seconds"] >= 0 for step in found["steps"].values())
    again = run(studio, "text=ab", 'data={"k": [1, 1.5, null]}', "all=x", "all=y", "flag=no", "n=3")
    assert {step["status"] for step in again["steps"].values()} == {"cached"}
    assert again["outputs"]["said"] == "ABABAB"
    assert cache_folder.exists()


def test_stdout_holds_the_object_alone_and_stderr_the_progress(studio):
    done = studio("run", "g.yaml", "text=a", "--json", "--executor", "local")
    json.loads(done.stdout)
    assert "up" in done.stderr
    assert "done" in done.stderr
    quiet = studio("run", "g.yaml", "text=b", "--json", "--executor", "local", "--quiet")
    assert quiet.stderr == ""


def test_run_for_people(studio, folder):
    done = studio("run", "g.yaml", "text=ab", "--executor", "local")
    assert "said: ABAB" in done.stdout
    assert "out/talk/tone.wav" in done.stdout
    assert "5 steps: 5 done" in done.stdout
    assert (folder / "out" / "talk" / "tone.wav").is_file()
    assert not (folder / "out" / "talk" / "said.txt").exists()


def test_out_saves_everything(studio, folder):
    run(studio, "text=ab", "--out", "here")
    assert (folder / "here" / "said.txt").read_text() == "ABAB\n"
    assert json.loads((folder / "here" / "echo.json").read_text()) == {}
    assert {path.stem for path in (folder / "here").iterdir()} == {"said", "list", "echo", "tone", "flag"}


def test_words(studio, folder):
    (folder / "words.txt").write_text("from a file\n")
    (folder / "data.json").write_text('{"a": 1}')
    assert run(studio, "text=@words.txt", "n=1", "--only", "said")["outputs"] == {"said": "FROM A FILE"}
    assert run(studio, "text=@@at", "n=1", "--only", "said")["outputs"] == {"said": "@AT"}
    assert run(studio, "text=a=b", "n=1", "--only", "said")["outputs"] == {"said": "A=B"}
    assert run(studio, "text=", "--only", "said")["outputs"] == {"said": ""}
    assert run(studio, "data=@data.json", "--only", "echo")["outputs"] == {"echo": {"a": 1}}
    assert run(studio, 'all=["p", "q"]', "all=r", "--only", "list")["outputs"] == {"list": "p+q+r"}


def test_only_set_and_refresh(studio):
    found = run(studio, "text=a", "--only", "said", "--set", "up.end=x")
    assert found["outputs"] == {"said": "AAx"}
    assert set(found["steps"]) == {"a", "up"}
    again = run(studio, "text=a", "--only", "said", "--set", "up.end=x", "--refresh", "a")
    assert [again["steps"][step]["status"] for step in ("a", "up")] == ["done", "cached"]
    assert run(studio, "text=a", "--only", "said", "--no-cache")["steps"]["up"]["status"] == "done"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["run", "g.yaml"], 3, "the input 'text' (text) is missing"),
        (["run", "g.yaml", "text=a", "txt=b"], 3, "there is no input 'txt'. Did you mean 'text'?"),
        (["run", "g.yaml", "text=a", "n=many"], 3, "input 'n': expected a number, not 'many'"),
        (["run", "g.yaml", "text=a", "n=1" + "0" * 400], 1, "step 'a' failed"),
        (["run", "g.yaml", "text=a", "flag=maybe"], 3, "input 'flag': expected true or false"),
        (["run", "g.yaml", "text=a", "data={"], 3, "input 'data': expected JSON"),
        (["run", "g.yaml", "text=a", "data=" + "[" * 20000], 3, "input 'data': data nested"),
        (["run", "g.yaml", "text=a", "all=[1"], 3, "input 'all'"),
        (["run", "g.yaml", "text=@missing"], 3, "input 'text'"),
        (["run", "g.yaml", "words"], 2, "'words' is not NAME=VALUE"),
        (["run", "g.yaml", "text=a", "--set", "up"], 2, "'up' is not STEP.FIELD=VALUE"),
        (["run", "g.yaml", "text=a", "--set", "upp.end=1"], 2, "Did you mean 'up'?"),
        (["run", "g.yaml", "text=a", "--set", "up.edn=x"], 3, "has no setting 'edn'"),
        (["run", "g.yaml", "text=a", "--only", "sad"], 2, "has no output 'sad'. Did you mean 'said'?"),
        (["run", "g.yaml", "text=a", "--refresh", "u"], 2, "has no step 'u'"),
        (["run", "g.yaml", "text=a", "--executor", "moon"], 2, "moon"),
        (["run", "g.yaml", "text=a", "--cache", "x", "--no-cache"], 2, "exclude each other"),
        (["run", "g.yaml", "text=a", "--cache", "g.yaml"], 1, "is not a cache folder"),
        (["run", "bad.yaml"], 1, "step 'b' failed: ValueError: boom: x"),
        (
            ["run", "wrong.yaml"],
            3,
            "wrong.yaml:1:18: step 'b': there is no node 'text.jion'\n    Did you mean 'text.join'?",
        ),
        (["run", "greedy.yaml"], 5, "step 'b' (tests.support.fakes:Upper) asks for 64 GPUs, but there are only"),
        (["run", "nowhere.yaml"], 2, "there is no graph 'nowhere.yaml'"),
        (["run", "helo"], 2, "Did you mean 'hello'?"),
        (["run", "x" * 400], 2, "there is no graph"),
        (["run"], 2, "Missing argument"),
        (["rum"], 2, "No such command"),
        (["check", "wrong.yaml"], 3, "wrong.yaml:1:18"),
        (["show", "wrong.yaml"], 3, "wrong.yaml:1:18"),
        (["nodes", "text.jion"], 2, "Did you mean 'text.join'?"),
        (["cache", "prune", "--budget", "lots"], 2, "is not a size"),
    ],
)
def test_exit_codes(studio, words, code, says):
    where = ["--executor", "local"] if words[0] == "run" and len(words) > 1 and "--executor" not in words else []
    done = studio(*words, *where, code=code)
    assert says in done.stderr, done.stderr
    assert bool(done.stdout) == ("failed" in says), "a step that failed leaves a summary, all else nothing"


def test_a_failure_as_json(studio):
    found = json.loads(studio("run", "bad.yaml", "--json", "--executor", "local", code=1).stdout)
    assert found["steps"]["b"]["status"] == "failed"
    assert found["steps"]["c"]["status"] == "skipped"
    assert found["outputs"] == {}
    assert "boom" in found["error"]


def test_debug_shows_the_trace_that_is_else_hidden(folder):
    assert "Traceback" in command("run", "bad.yaml", "--executor", "local", "--debug", folder=folder).stderr


def test_check(studio):
    assert "g.yaml: ok" in studio("check", "g.yaml", "hello").stdout
    found = json.loads(studio("check", "wrong.yaml", "g.yaml", "--json", code=3).stdout)
    assert [item["ok"] for item in found] == [False, True]
    assert [(problem["line"], problem["column"]) for problem in found[0]["problems"]] == [(1, 18), (2, 14)]


def test_show(studio):
    assert "■ up" in studio("show", "g.yaml").stdout
    assert studio("show", "g.yaml", "--format", "mermaid").stdout.startswith("flowchart TD")
    svg = studio("show", "g.yaml", "--format", "svg").stdout
    import xml.etree.ElementTree as ET

    assert ET.fromstring(svg).tag.endswith("svg")


def test_why(studio):
    assert "has nothing on record" in studio("why", "g.yaml", "text=a").stdout
    run(studio, "text=a")
    assert json.loads(studio("why", "g.yaml", "text=a", "--json").stdout)["up"]["cached"] is True
    told = studio("why", "g.yaml", "text=a", "--set", "up.end=x").stdout
    assert 'config.end: "" -> "x"' in told
    assert "a     cached" in told


def test_nodes_and_schema(studio):
    assert "text.join" in studio("nodes").stdout
    page = studio("nodes", "text.join").stdout
    assert "texts: list[text]" in page
    assert 'separator: string = "\\n"' in page
    assert json.loads(studio("nodes", "text.join", "--json").stdout)["inputs"] == {
        "texts": {"type": "list[text]", "required": True}
    }
    assert json.loads(studio("schema").stdout)["$schema"].startswith("https://json-schema.org")


def test_cache_commands(studio, cache_folder):
    assert "the cache is empty" in studio("cache", "ls").stdout
    run(studio, "text=a")
    assert len(studio("cache", "ls").stdout.splitlines()) == 5
    assert json.loads(studio("cache", "stats", "--json").stdout)["records"] == 5
    assert json.loads(studio("cache", "verify", "--json").stdout)["damaged"] == 0
    blob = next(path for path in (cache_folder / "blobs").rglob("*") if path.is_file())
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    assert json.loads(studio("cache", "verify", "--json", code=1).stdout)["damaged"] == 1
    assert json.loads(studio("cache", "prune", "--budget", "0", "--json").stdout)["records"] == 0  # used just now
    unused_since_yesterday(Cache(cache_folder))
    assert json.loads(studio("cache", "prune", "--budget", "0", "--json").stdout)["records"] == 4
    run(studio, "text=a")
    studio("cache", "clear", code=130, input="n\n")
    assert "freed" in studio("cache", "clear", "--yes").stdout
    assert json.loads(studio("cache", "stats", "--json").stdout)["records"] == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([COMMAND, "run", "g.yaml", "text=ab", "--executor", "local"], 0, "said: ABAB"),
        ([COMMAND, "run", "bad.yaml", "--executor", "local"], 1, ""),
        ([COMMAND, "map", "g.yaml", "rows.jsonl", "--executor", "local"], 0, "2 done"),
        ([COMMAND, "why", "g.yaml", "text=ab"], 0, "has nothing on record"),
        ([COMMAND, "show", "g.yaml"], 0, "■ up"),
        ([COMMAND, "check", "wrong.yaml"], 3, ""),
        ([COMMAND, "nodes", "text.join"], 0, "texts: list[text]"),
        ([COMMAND, "schema"], 0, "json-schema.org"),
        ([COMMAND, "status"], 1, ""),
        ([COMMAND, "cache", "stats"], 0, "0 records"),
        (["-m", "studio", "--version"], 0, "studio "),
    ],
    ids=["run", "failure", "map", "why", "show", "check", "nodes", "schema", "status", "cache", "version"],
)
def test_each_command_in_a_new_interpreter(folder, words, code, says):
    """Where nothing has been imported before."""
    (folder / "rows.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    process = begin(*words, folder=folder)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, out + err
    assert says in out
    assert "Traceback" not in err


@pytest.mark.ray
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("executor", ["ray", "local"])
def test_ctrl_c(folder, tally, cache_folder, sign, executor):
    """It stops within two seconds, leaves no process, and a cache that verifies clean."""
    (folder / "slow.yaml").write_text(
        f"nodes: {{t: {{use: 'tests.support.fakes:Tone'}}, s: {{use: 'tests.support.fakes:Slow', with: {{text: x, seconds: 60, tally: '{tally}'}}}}}}\noutputs: {{x: s, t: t}}"
    )
    process = subprocess.Popen(
        [sys.executable, COMMAND, "run", "slow.yaml", "--executor", executor],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not tally.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    started = time.monotonic()
    process.send_signal(sign)
    _, said = process.communicate(timeout=40)
    assert time.monotonic() - started < 6  # two, and some for a busy machine
    assert process.returncode == 130
    assert "Traceback" not in said
    _, left = psutil.wait_procs(family, timeout=6)
    assert not left
    verified = command("cache", "verify", folder=folder)
    assert verified.returncode == 0, verified.stdout


def test_a_page_and_a_trace(studio, folder):
    words = ("--report", "pages/run.html", "--trace", "pages/run.json")
    assert run(studio, "text=ab", *words)["outputs"]["said"] == "ABAB"
    assert "<title>talk · done" in (folder / "pages" / "run.html").read_text()
    assert json.loads((folder / "pages" / "run.json").read_text())["otherData"]["graph"] == "talk"


def test_a_page_of_a_run_that_failed(studio, folder):
    studio("run", "bad.yaml", "--executor", "local", "--report", "run.html", code=1)
    assert "boom" in (folder / "run.html").read_text()


def test_a_page_that_cannot_be_written_costs_no_result(studio, folder):
    (folder / "file").write_text("")
    done = studio("run", "g.yaml", "--executor", "local", "text=ab", "--report", "file/run.html", code=1)
    assert "ABAB" in done.stdout
    assert "cannot write 'file/run.html'" in done.stderr


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("!", "!"),
        ("#fff", "#fff"),
        ("&a", "&a"),
        ("", ""),
        ("''", ""),
        ("null", None),
        ("~", None),
        ("3", 3),
        ("a: b", {"a": "b"}),
    ],
)
def test_what_a_setting_is_read_as(word, value):
    assert setting_from(f"a.b={word}") == ("a.b", value)
