"""Secrets: the value of `${env:NAME}` is in no file, no event, no output of ours and no error."""

import json

import pytest

import studio
from tests.support.door import load, ran, run_log
from tests.support.processes import command

TOKEN = "swordfish-0123456789"
GRAPH = """
nodes:
  ask: {{use: Secretive, with: {{text: x, token: "${{env:TOKEN}}", tally: '{tally}', leak: {leak}}}}}
outputs: {{said: ask}}
"""


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("TOKEN", TOKEN)


@pytest.fixture
def graph(tally):
    return lambda leak=False: GRAPH.format(tally=tally, leak=str(leak).lower())


def at_rest(folder) -> bytes:
    return b"\n".join(path.read_bytes() + str(path).encode() for path in folder.rglob("*") if path.is_file())


def test_it_is_used_and_nowhere_at_rest(graph, cache_folder):
    log = run_log(graph())
    assert log.outputs == {"said": f"{len(TOKEN)} x"}
    assert TOKEN.encode() not in at_rest(cache_folder)
    assert b"${env:TOKEN}" in at_rest(cache_folder)


def test_it_is_in_no_event(graph):
    for leak in (False, True):
        log = run_log(graph(leak))
        assert TOKEN not in repr(log.events)
    assert "*** was refused" in log.result.failures["ask"]
    with pytest.raises(studio.StepError) as caught:
        load(graph(leak=True)).run(options={"executor": "local"})
    assert TOKEN not in str(caught.value)


def test_it_is_in_no_picture_and_no_reason(graph, monkeypatch):
    run_log(graph())
    assert all(TOKEN not in load(graph()).draw(form) for form in ("text", "mermaid", "svg"))
    monkeypatch.setenv("TOKEN", "another-one-entirely")
    (verdict,) = load(graph()).why()
    assert verdict.reasons == ("config.token: what its environment variable holds",)


def test_another_value_is_another_key(graph, tally, monkeypatch):
    run_log(graph())
    assert run_log(graph()) == [("cached", "ask")]
    monkeypatch.setenv("TOKEN", "another-one-entirely")
    assert run_log(graph()) == [("done", "ask")]
    assert ran(tally) == 2


def test_the_salt_is_the_cache_s_own(graph, tmp_path):
    keys = {run_log(graph(), options={"cache": tmp_path / name}).result.steps["ask"].key for name in "ab"}
    assert len(keys) == 2
    assert (tmp_path / "a" / "salt").stat().st_mode & 0o077 == 0


def test_one_that_is_not_set(graph, monkeypatch):
    monkeypatch.delenv("TOKEN")
    load(graph()).check()  # a machine without the secret can still check
    with pytest.raises(
        studio.MissingVariable, match="step 'ask' needs the environment variable TOKEN, which is not set"
    ) as caught:
        run_log(graph())
    assert caught.value.exit_code == 5


def test_one_that_does_not_fit_its_field(monkeypatch):
    text = "nodes: {t: {use: Tone, with: {hertz: '${env:TOKEN}'}}}\noutputs: {x: t}"
    with pytest.raises(studio.GraphError, match="'hertz' does not accept what the environment holds") as caught:
        load(text).check()
    assert TOKEN not in str(caught.value)
    monkeypatch.delenv("TOKEN")
    graph = load(text)
    graph.check()
    monkeypatch.setenv("TOKEN", TOKEN)  # only now
    with pytest.raises(studio.StudioError) as late:
        run_log(graph)
    assert TOKEN not in str(late.value)


@pytest.mark.parametrize("leak", [False, True])
def test_the_command_says_nothing_of_it(graph, tmp_path, cache_folder, leak):
    (tmp_path / "g.yaml").write_text(graph(leak).replace("Secretive", "tests.support.fakes:Secretive"))
    done = command("run", tmp_path / "g.yaml", "--json", "--executor", "local", "--debug")
    assert done.returncode == int(leak)
    shown = json.loads(done.stdout)
    assert TOKEN not in done.stdout
    assert "*** was refused" in shown.get("error", "*** was refused")
    assert TOKEN.encode() not in at_rest(cache_folder)
    assert TOKEN not in done.stderr.replace(
        f"the token is {TOKEN}", ""
    )  # what a node itself prints here is its own affair
