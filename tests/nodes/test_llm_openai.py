"""llm.openai against a real server on this machine, which answers as it is told and keeps what it was asked."""

import base64
import io
import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import PIL.Image
import pytest

import studio
from nodes.llm.openai import OpenAI, ServerFailed
from studio import Image, InputError, ModelUnavailable

pytest.importorskip("httpx")
KEY = "sk-swordfish-0123456789"


def said(text, **more):
    """The body of a chat completion."""
    return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop", **more}]}


def echoed(asked):
    """What an obedient server would say."""
    content = asked["messages"][-1]["content"]
    return said(content if isinstance(content, str) else content[0]["text"])


class Server(ThreadingHTTPServer):
    """Answers with what `script` holds, in order, and then by echo."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.asked = [], []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    """One request: its body and headers are kept, then comes the next answer of the script."""

    server: Server

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append({"path": self.path, "headers": dict(self.headers), "body": body})
        status, headers, answer = self.server.script.pop(0) if self.server.script else (200, {}, echoed(body))
        if status == "hang":
            time.sleep(answer)
            return
        if status == "break":
            self.connection.close()
            return
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *given):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def ask(server, work):
    """The node, asking that server."""
    return lambda **config: work(OpenAI, **{"url": server.url, "model": "m", "key": KEY, **config})


def test_what_is_asked(server, ask):
    assert ask(system="Be brief.", max_tokens=7, seed=3).run("Hi?") == "Hi?"
    (asked,) = server.asked
    assert asked["path"] == "/v1/chat/completions"
    assert asked["headers"]["Authorization"] == f"Bearer {KEY}"
    assert asked["body"] == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi?"}],
        "max_tokens": 7,
        "temperature": 0.0,
        "seed": 3,
    }


def test_what_follows_the_address_stays(server, ask):
    ask(url=f"{server.url}?api-version=1").run("Hi?")
    assert server.asked[0]["path"] == "/v1/chat/completions?api-version=1"


def test_what_is_null_is_not_asked(server, ask):
    ask(temperature=None, key="", url=f"{server.url}/").run("Hi?")
    (asked,) = server.asked
    assert asked["body"] == {"model": "m", "messages": [{"role": "user", "content": "Hi?"}]}
    assert "Authorization" not in asked["headers"]


def test_a_picture_goes_along(server, ask):
    ask().run("What is it?", Image(PIL.Image.new("RGB", (5, 4), (1, 2, 3))))
    text, picture = server.asked[0]["body"]["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    head, _, data = picture["image_url"]["url"].partition(",")
    shown = PIL.Image.open(io.BytesIO(base64.b64decode(data)))
    assert (head, shown.size, shown.getpixel((0, 0))) == ("data:image/png;base64", (5, 4), (1, 2, 3))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server, ask, status):
    server.script += [(status, {"retry-after": "0"}, {"error": {"message": "busy"}})] * 2
    assert ask().run("Hi?") == "Hi?"
    assert len(server.asked) == 3


def test_a_server_that_breaks_off_is_asked_again(server, ask):
    server.script += [("break", {}, None)]
    assert ask().run("Hi?") == "Hi?"
    assert len(server.asked) == 2


def test_it_waits_as_long_as_it_is_told(server, ask):
    server.script += [(429, {"retry-after": "0.4"}, {})]
    began = time.monotonic()
    ask().run("Hi?")
    assert time.monotonic() - began >= 0.4


def test_without_word_it_waits_longer_each_time(server, ask):
    server.script += [(502, {}, b"bad gateway")] * 2
    began = time.monotonic()
    ask().run("Hi?")
    assert time.monotonic() - began >= 0.75 * (0.5 + 1.0)


def test_a_date_in_the_past_is_no_wait(server, ask):
    server.script += [(503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, {})] * 4
    asking, began = ask(tries=5), time.monotonic()
    asking.run("Hi?")
    assert time.monotonic() - began < 0.75 * (0.5 + 1.0 + 2.0 + 4.0)  # what it would wait without word


def test_not_for_ever(server, ask):
    server.script += [(429, {"retry-after": "0"}, {"error": {"message": "slow down"}})] * 9
    with pytest.raises(ServerFailed, match=r"status 429: slow down\) could not answer, asked 3 times"):
        ask(tries=3).run("Hi?")
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "answer", "error", "told"),
    [
        (
            401,
            {"error": {"message": f"wrong key {KEY}"}},
            ModelUnavailable,
            r"refused the key.*\$\{env:OPENAI_API_KEY\}",
        ),
        (403, b"no", ModelUnavailable, "refused the key"),
        (404, {"error": {"message": "no such model"}}, ModelUnavailable, "no such model.*does not know model 'm'"),
        (400, {"error": {"message": f"bad words {KEY}"}}, InputError, r"bad words \*\*\*\) did not accept"),
        (302, b"", InputError, "status 302"),
        (200, b"<html>hello", ServerFailed, "no chat completion.*<html>hello"),
        (200, {"choices": []}, ServerFailed, "no chat completion"),
        (200, [], ServerFailed, "no chat completion"),
        (200, {"error": {"message": "quota exceeded"}}, InputError, "status 200: quota exceeded"),
        (200, {"error": "no such deployment"}, InputError, "no such deployment"),
        (200, {"error": {"message": "gone", "code": 404}}, ModelUnavailable, "status 404: gone"),
    ],
)
def test_what_goes_wrong_is_told_once_and_without_the_key(server, ask, status, answer, error, told):
    server.script += [(status, {}, answer)]
    with pytest.raises(error, match=told) as caught:
        ask().run("Hi?")
    assert KEY not in str(caught.value)
    assert len(server.asked) == 1


def test_a_server_that_is_not_there(work):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_port
    lost = work(OpenAI, url=f"http://me:{KEY}@127.0.0.1:{port}/v1?key={KEY}", model="m", key=KEY, tries=2)
    with pytest.raises(
        ModelUnavailable, match=rf"127\.0\.0\.1:{port}/v1 cannot be reached .*is the server up"
    ) as caught:
        lost.run("Hi?")
    assert KEY not in str(caught.value)


def test_an_address_that_is_none(work):
    with pytest.raises(InputError, match="'url' is not an address"):
        work(OpenAI, url="http://here:there/v1", model="m")
    with pytest.raises(ValueError, match="starts with http:// or https://"):
        OpenAI.Config(url="localhost:8000", model="m")


def test_a_body_that_cannot_be_unpacked_is_asked_for_again(server, ask):
    server.script += [(200, {"content-encoding": "gzip"}, b"no gzip")]
    assert ask().run("Hi?") == "Hi?"
    assert len(server.asked) == 2


def test_a_server_that_never_answers(server, ask):
    server.script += [("hang", {}, 1.0)]
    with pytest.raises(ServerFailed, match=r"did not answer within 0\.2 s: give it a longer 'timeout'"):
        ask(timeout=0.2).run("Hi?")


def test_a_batch_is_as_one_by_one_and_one_fails_alone(server, ask):
    asking = ask()
    calls = [{"prompt": str(number)} for number in range(20)]
    assert asking.run_batch(calls) == [asking.run(**call) for call in calls]
    server.script += [(400, {}, {"error": {"message": "bad"}})]
    answers = asking.run_batch(calls)
    assert sum(isinstance(answer, InputError) for answer in answers) == 1
    assert all(answer == call["prompt"] for answer, call in zip(answers, calls, strict=True) if isinstance(answer, str))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            said("", finish_reason="content_filter"),
            r"content filter held the answer back \(finish_reason: content_filter",
        ),
        (said("half of", finish_reason="content_filter"), "content filter"),
        (said("half of", finish_reason="SAFETY"), "content filter"),
        (said("half of", finish_reason=None, finishReason="SAFETY"), "content filter"),
        (said("", finish_reason="stop"), "the answer is empty"),
        (said(" \n"), "the answer is empty"),
        (said(None), "the answer is empty"),
        (said(None, finish_reason=None), "the answer is empty"),
        (said(None, finish_reason="tool_calls"), r"call a tool, and none was offered \(finish_reason: tool_calls"),
        (said("odd", finish_reason="error"), r"did not come to its end \(finish_reason: error"),
        (said("half of", finish_reason=None, error={"message": "upstream is gone"}), "broke off: upstream is gone"),
        (said("odd", finish_reason="insufficient_system_resource"), "insufficient_system_resource"),
        (said(None, finish_reason="length"), "reached before the answer began"),
        (said("half of", finish_reason="length"), r"cut off at its limit of tokens \(give it a higher max_tokens"),
        ({"choices": [{"message": {"content": None, "refusal": "I will not"}, "finish_reason": "stop"}]}, "I will not"),
        ({"choices": [{"message": {"content": "", "tool_calls": [{}]}, "finish_reason": "stop"}]}, "call a tool"),
        (
            {"choices": [{"message": {"content": "I look.", "tool_calls": [{}]}, "finish_reason": "stop"}]},
            "call a tool",
        ),
        (
            said([{"type": "text", "text": "Well,"}, {"type": "refusal", "refusal": "I will not"}]),
            "refused.* I will not",
        ),
        (said("<think>two and two …</think>\n\n"), "only thoughts"),
        (said("<think>two and two …"), "only thoughts"),
        (said("two and two …</think>\n"), "only thoughts"),
        (said("<think>two and", finish_reason="length"), "reached before the answer began"),
        (said("\u200b\ufeff"), "no answer"),
        (said("half of", error={"message": "upstream is gone"}), "broke off: upstream is gone"),
    ],
)
def test_what_is_no_answer_fails_and_is_never_kept(server, tmp_path, answer, told):
    server.script += [(200, {}, answer)] * 2
    graph = {
        "inputs": {"ask": "text"},
        "nodes": {"a": {"use": "llm.openai", "with": {"url": server.url, "model": "m"}, "in": {"prompt": "ask"}}},
        "outputs": {"a": "a"},
    }
    for _ in range(2):
        with pytest.raises(studio.StepError, match=told):
            studio.load(graph).run(ask="Hi?", options={"executor": "local", "cache": str(tmp_path)})
    assert len(server.asked) == 2


@pytest.mark.parametrize("reason", ["stop", "STOP", "eos", "end_turn", "stop_sequence", None, ""])
def test_every_servers_word_for_an_end_is_one(server, ask, reason):
    server.script += [(200, {}, said("So it ends.", finish_reason=reason))]
    assert ask().run("Hi?") == "So it ends."


def test_a_server_that_says_nothing_of_the_end_is_believed(server, ask):
    server.script += [(200, {}, {"choices": [{"message": {"content": [{"type": "text", "text": "In parts."}]}}]})]
    assert ask().run("Hi?") == "In parts."


def test_thoughts_beside_an_answer_stay(server, ask):
    server.script += [(200, {}, said("<think>hm</think>\n4"))]
    assert ask().run("Hi?") == "<think>hm</think>\n4"


@pytest.mark.parametrize("usage", [{"completion_tokens": True}, {"completion_tokens": 10**400}, {"prompt_tokens": -1}])
def test_odd_numbers_beside_an_answer_spoil_none(server, ask, usage):
    server.script += [(200, {}, {**said("Four."), "usage": usage})]
    assert ask().run_batch([{"prompt": "Hi?"}, {"prompt": "Ho?"}])[1] in ("Ho?", "Four.")


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (204, b"", "no chat completion .status 204, .*an empty reply"),
        (302, b"", "status 302: an empty reply"),
        (200, b"[" * 100_000, "no chat completion"),
        (200, b'[{"error": {"code": 400, "message": "in a list"}}]', "status 400: in a list"),
        (200, b'{"object": "error", "code": 400, "message": "too long"}', "status 400: too long"),
        (200, b'{"error": {"error": {"code": 400, "message": "within"}}}', "status 400: within"),
    ],
)
def test_a_reply_that_is_no_completion_says_what_it_is(server, ask, status, answer, told):
    server.script += [(status, {}, answer)]
    with pytest.raises(Exception, match=told):
        ask(tries=1).run("Hi?")


def test_an_error_in_a_reply_that_is_well_is_asked_again_where_it_may_pass(server, ask):
    server.script += [(200, {"retry-after": "0"}, {"error": {"message": "slow down", "code": 429}})]
    assert ask().run("Hi?") == "Hi?"
    assert len(server.asked) == 2


def test_a_cut_answer_that_is_kept_says_so_from_the_cache_too(server, tmp_path):
    server.script += [(200, {}, said(" So it ", finish_reason="length"))]
    settings = {"url": server.url, "model": "m", "cut": "keep"}
    graph = studio.load(
        {
            "inputs": {"ask": "text"},
            "nodes": {"a": {"use": "llm.openai", "with": settings, "in": {"prompt": "ask"}}},
            "outputs": {"a": "a"},
        }
    )
    for _ in range(2):
        seen = list(graph.stream(ask="Hi?", options={"executor": "local", "cache": str(tmp_path)}))
        numbers = [event.measures.numbers for event in seen if hasattr(event, "measures")]
        assert {"cut": 1} in numbers
    assert len(server.asked) == 1


def test_only_the_answer_that_is_cut_counts_as_cut(server, ask):
    asking = ask(cut="keep")
    server.script += [(200, {}, said("So it ", finish_reason="length"))]
    asking.run_batch([{"prompt": "Hi?"}, {"prompt": "Ho?"}])
    (cut,) = [numbers["cut"] for numbers in vars(asking).pop("_measured") if "cut" in numbers]
    assert sorted(cut, key=str) == [1, None]


@pytest.mark.parametrize("key", [f"{KEY}\n", f"Bearer {KEY}", "schlüssel"])
def test_a_key_that_is_none_is_not_shown(ask, key):
    with pytest.raises(InputError) as caught:
        ask(key=key)
    assert key.strip() not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "repeatable"),
    [
        ({}, True),
        ({"temperature": 0.7}, False),
        ({"temperature": 0.7, "seed": 1}, True),
        ({"temperature": None}, False),
    ],
)
def test_sampling_without_a_seed_is_not_repeatable(config, repeatable):
    assert OpenAI.repeatable(OpenAI.Config(url="http://x", model="m", **config)) is repeatable


def test_the_key_is_in_no_picture_of_the_config():
    config = OpenAI.Config(url="http://x", model="m", key=KEY)
    for shown in (repr(config), str(config), config.model_dump_json(), repr(config.model_dump())):
        assert KEY not in shown


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def executor(request):
    """Threads here, and actors elsewhere: the key must come along unseen."""
    return request.getfixturevalue("ray_executor") if request.param == "ray" else request.param


def test_through_a_graph_the_key_is_nowhere(server, tmp_path, monkeypatch, caplog, executor):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    graph = {
        "inputs": {"question": "text"},
        "nodes": {
            "ask": {
                "use": "llm.openai",
                "with": {"url": server.url, "model": "m", "key": "${env:OPENAI_API_KEY}"},
                "in": {"prompt": "question"},
            }
        },
        "outputs": {"answer": "ask"},
    }
    options = {"executor": executor, "cache": str(tmp_path / "cache")}
    events = []
    for question in ("Hi?", "Hi?", "Ho?"):
        for event in studio.load(graph).stream(question=question, options=options):
            events.append(event)
    assert [asked["body"]["messages"][0]["content"] for asked in server.asked] == ["Hi?", "Ho?"]  # one from the cache
    server.script += [(401, {}, {"error": {"message": KEY}})]
    with pytest.raises(studio.StepError) as caught:
        studio.load(graph).run(question="He?", options=options)
    assert caught.value.exit_code == 5
    kept = b"\n".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    for shown in (repr(events), str(caught.value), caplog.text, kept.decode(errors="replace")):
        assert KEY not in shown
