"""A Studio that stays up: who shares it, who may not, and what is left of it."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import msgpack
import psutil
import pytest

import studio
from studio import executors
from studio.commands.service_status import preload
from studio.executors.service import control as standby
from studio.executors.service.address import Address, ServiceApart
from studio.executors.service.channel import Channel, ChannelClosed
from studio.executors.service.client import WarmExecutor
from studio.executors.shipping import ship, shipped_from, unpacked
from studio.node.registry import Registry
from studio.run.recipes import recipe_of_node
from tests.support.door import run_log
from tests.support.processes import begin

CLI = [sys.executable, "-m", "studio"]
MINE = """
import os, time
from studio import Node
class Mine(Node):
    class Config(Node.Config):
        model: str = ""
        token: str = ""
        seconds: float = 0.0
    def run(self, text: str) -> dict:
        time.sleep(0 if text == "quick" else self.config.seconds)
        return {"text": text + "%s", "pid": os.getpid()}
"""


@pytest.fixture
def graph(tmp_path):
    """The file of a graph with a node of its own beside it, and how to write both."""

    def write(end="!", settings="{}", **more):
        (tmp_path / "mine.py").write_text(MINE % end)
        text = f"inputs: {{text: text}}\nnodes: {{m: {{use: './mine.py:Mine', in: {{text: text}}, with: {settings}}}}}\noutputs: {{x: m}}"
        (tmp_path / "g.yaml").write_text(text)
        return tmp_path / "g.yaml"

    return write


def eventually(holds, seconds=60.0):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def busy():
    return [worker for worker in standby.status()["workers"] if worker["state"] == "busy"]


# What needs none to be up ---------------------------------------------------------


@pytest.fixture
def nobody_up(monkeypatch, tmp_path):
    monkeypatch.setenv("STUDIO_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_nobody_is_up(nobody_up):
    assert standby.status() is None
    assert not standby.down()
    with pytest.raises(studio.EnvironmentMissing, match="no Studio is up; start one with: studio up"):
        WarmExecutor()


def test_a_note_that_outlived_its_studio_is_removed(nobody_up, tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    place = tmp_path / f"studio-{gone.pid}-x"
    place.mkdir()
    Address(str(place / "service"), gone.pid, time.time(), "", "", "", "", "").write()
    assert Address.found() is None
    assert not Address.file().exists()
    assert not place.exists()


def test_a_process_of_the_same_number_is_another(nobody_up):
    here = Address.here(nobody_up / "service")
    Address(**{**vars(here), "born": here.born - 1000, "children": ()}).write()  # the children here are pytest's
    assert Address.found() is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"pid": 1}', '{"socket": 3}'])
def test_a_damaged_note_is_none(nobody_up, damage):
    nobody_up.mkdir()
    (nobody_up / "up.json").write_text(damage)
    assert Address.found() is None


def test_a_foreign_folder_is_never_removed(nobody_up, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    Address(str(precious / "service"), 2**22 + 1, 0.0, "", "", "", "", "").write()
    assert Address.found() is None
    assert precious.exists()


@pytest.fixture
def mute(nobody_up, tmp_path_factory):
    """One that is up, takes calls, and never answers."""
    address = tmp_path_factory.mktemp("s") / "service"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(address))
        door.listen()
        Address.here(address).write()
        yield address


def test_one_that_does_not_answer_is_told(mute, monkeypatch):
    monkeypatch.setattr("studio.executors.service.address._PATIENCE", 0.1)
    with pytest.raises(studio.EnvironmentMissing, match="does not answer; end it with: studio down") as caught:
        WarmExecutor()
    assert caught.value.exit_code == 5
    with pytest.raises(studio.EnvironmentMissing, match="does not answer"):
        standby.status()


def test_another_environment_is_told(mute):
    Address(**{**vars(Address.found()), "prefix": "/another/venv"}).write()
    with pytest.raises(studio.EnvironmentMissing) as caught:
        WarmExecutor()
    assert f"has another environment (/another/venv, not {sys.prefix})" in str(caught.value)
    assert caught.value.exit_code == 5
    Address(**{**vars(Address.found()), "prefix": sys.prefix, "engine": "older"}).write()
    with pytest.raises(studio.EnvironmentMissing, match="the code of the Studio has changed since it is up"):
        WarmExecutor()


def test_left_to_itself_a_run_goes_without_one_that_is_apart(mute, monkeypatch):
    Address(**{**vars(Address.found()), "python": "3.1"}).write()
    monkeypatch.setattr(executors, "_has_ray", lambda: False)
    monkeypatch.setattr(executors, "_shared", {})
    monkeypatch.setitem(executors.NAMES, "ray", executors.NAMES["local"])
    with pytest.warns(ServiceApart, match="another Python .*: this run starts a Ray of its own"):
        assert executors.executor_for("auto").name == "local"


def test_only_its_user_can_read_the_note(nobody_up):
    Address.here(nobody_up / "service").write()
    assert Address.file().stat().st_mode & 0o077 == 0
    assert nobody_up.stat().st_mode & 0o077 == 0


# Channel and recipe ---------------------------------------------------------------


def test_messages_come_as_they_were_sent():
    left, right = map(Channel, socket.socketpair())
    message = ["x", 1, 1.5, None, True, b"", b"\0" * 300_000, {"a": [b"deep", "ü", "\udcff"]}, [[]]]
    threading.Thread(target=left.send, args=(message,)).start()
    assert right.receive() == message
    left.close()
    with pytest.raises(ChannelClosed):
        right.receive()
    with pytest.raises(ChannelClosed):
        for _ in range(100):
            right.send([b"x" * 100_000])


def test_only_plain_data_is_sent():
    left, right = map(Channel, socket.socketpair())
    with pytest.raises(TypeError, match="a PosixPath is no plain data"):
        left.send([Path()])
    left.send(["still well"])
    assert right.receive() == ["still well"]


GARBAGE = {
    "too long": struct.pack("!Q", 1 << 60),
    "no MessagePack": struct.pack("!Q", 3) + b"\xc1\xc1\xc1",
    "too short": struct.pack("!Q", 1) + b"\x91",
    "more than one": struct.pack("!Q", 2) + b"\x01\x02",
    "very deep": struct.pack("!Q", 5000) + b"\x91" * 5000,
    "a list that is longer than all": struct.pack("!Q", 5) + b"\xdd\xff\xff\xff\xff",
    "something of another program": struct.pack("!Q", 3) + b"\xd4\x07\x00",
    "no end": struct.pack("!Q", 9) + b"x",
    "no head": b"x",
    "text": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_closes_the_channel(what):
    left, right = socket.socketpair()
    left.sendall(GARBAGE[what])
    left.close()
    with pytest.raises(ChannelClosed):
        Channel(right).receive()


@pytest.mark.parametrize("name", Registry().names())
def test_every_shipped_node_goes_by_name(name):
    pytest.importorskip("pydantic")
    definition = Registry().find(name)
    try:
        recipe = recipe_of_node(definition, studio.Machine(), studio.Cache().files)
    except ValueError:
        pytest.skip("its config has no defaults")
    message = ship(recipe)
    assert message[4][1][1] == "name"
    found, _ = unpacked(shipped_from(msgpack.unpackb(msgpack.packb(message))))
    assert found.node is definition.node
    assert found.config == recipe.config


def test_a_secret_is_no_label(monkeypatch):
    from studio.executors.shipping import _label

    class Config(studio.Node.Config):
        model: str

    assert _label(Config(model="base")) == "base"
    monkeypatch.setenv("TOKEN", "swordfish-9")
    assert _label(Config(model="swordfish-9")) == ""


# One that is up -------------------------------------------------------------------


@pytest.fixture
def another(monkeypatch, tmp_path):
    """The place of a Studio of this test's own, that goes down with it."""
    monkeypatch.setenv("STUDIO_STATE", str(tmp_path / "another"))
    yield
    standby.down()


def pid_of(file, executor, text="a", **options) -> dict:
    return studio.load(file).run(text=text, options={"executor": executor, "cache": False, **options})["x"]


@pytest.mark.ray
def test_processes_share_a_model(warm_executor, graph, monkeypatch):
    file = graph()
    monkeypatch.chdir(file.parent)
    first = pid_of(file, warm_executor)
    command = [*CLI, "run", str(file), "text=b", "--json", "--no-cache", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, cwd=file.parent)
    found = json.loads(done.stdout)["outputs"]["x"]
    assert found == {"text": "b!", "pid": first["pid"]}


@pytest.mark.ray
def test_edited_code_never_meets_an_old_worker(warm_executor, graph):
    first, second = pid_of(graph("!"), warm_executor), pid_of(graph("?"), warm_executor)
    assert (first["text"], second["text"]) == ("a!", "a?")
    assert first["pid"] != second["pid"]


@pytest.mark.ray
def test_edited_code_of_a_module_that_a_node_imports(warm_executor, tmp_path, monkeypatch):
    """A helper beside the module is no part of the node's source, and yet a new worker is made for it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "helper_of_mine.py").write_text("END = 'one'")
    (tmp_path / "mine_by_name.py").write_text(
        "import helper_of_mine\nfrom studio import Node\nclass N(Node):\n"
        "    def run(self, text: str) -> str:\n        return text + helper_of_mine.END\n"
    )
    text = "nodes: {m: {use: 'mine_by_name:N', with: {text: a}}}\noutputs: {x: m}"
    options = {"executor": warm_executor, "cache": False}
    assert studio.load(text).run(options=options)["x"] == "aone"
    (tmp_path / "helper_of_mine.py").write_text("END = 'the other'")
    again = "import studio, sys; sys.path.insert(0, '.'); print(studio.load(sys.argv[1]).run(options={'executor': 'warm', 'cache': False})['x'])"
    done = subprocess.run([sys.executable, "-c", again, text], capture_output=True, text=True, timeout=90, cwd=tmp_path)
    assert done.stdout.strip() == "athe other", done.stderr


@pytest.mark.ray
def test_status_tells_all_but_secrets(warm_executor, graph, monkeypatch):
    monkeypatch.setenv("TOKEN", "swordfish-9")
    pid_of(graph(settings="{token: '${env:TOKEN}', model: large}"), warm_executor)
    command = [*CLI, "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told["up"]
    (worker,) = [worker for worker in told["workers"] if worker["model"] == "large"]
    assert (worker["node"], worker["state"], worker["device"]) == ("Mine", "idle", "cpu")
    assert worker["memory"] > 1 << 20
    assert psutil.pid_exists(worker["process"])
    page = subprocess.run([*CLI, "status"], capture_output=True, text=True, timeout=90).stdout
    assert "Mine" in page
    state = Address.file().parent
    everything = done.stdout + page + "".join(str(file.read_bytes()) for file in state.iterdir() if file.is_file())
    assert "swordfish-9" not in everything


@pytest.mark.ray
def test_a_driver_that_is_killed_leaves_no_task(warm_executor, graph):
    file = graph(settings="{seconds: 60.0}")
    before = len(busy())
    command = [*CLI, "run", str(file), "text=killed", "--no-cache", "--quiet"]
    driver = subprocess.Popen(command, cwd=file.parent)
    assert eventually(lambda: len(busy()) > before)
    driver.kill()
    driver.wait()
    assert eventually(lambda: len(busy()) <= before)


@pytest.mark.ray
def test_interrupting_one_run_leaves_the_other(warm_executor, graph):
    file = graph(settings="{seconds: 60.0}")
    before = len(busy())
    command = ["-m", "studio", "run", file, "--no-cache", "--quiet", "--json"]
    long = begin(*command, "text=long", folder=file.parent)
    assert eventually(lambda: len(busy()) > before)
    quick = begin(*command, "text=quick", folder=file.parent)
    assert eventually(lambda: standby.status()["waiting"])
    long.send_signal(signal.SIGINT)
    long.communicate(timeout=40)
    assert long.returncode == 130
    told = json.loads(quick.communicate(timeout=40)[0])
    assert told["outputs"]["x"]["text"] == "quick!"


@pytest.mark.ray
def test_what_was_preloaded_is_there(another, graph):
    """On a machine that is empty: what finds no room is not preloaded."""
    assert standby.up(machine=studio.Machine(cpus=1))
    file = graph(settings="{model: before}")
    assert preload([str(file)]) == {"Mine": True}
    there = lambda: [w for w in standby.status()["workers"] if w["model"] == "before" and w["state"] == "idle"]  # noqa: E731
    assert eventually(there)
    found = run_log(studio.load(file), options={"executor": WarmExecutor(), "cache": False}, text="a")
    assert found.outputs["x"]["text"] == "a!"
    assert not found.of(studio.StepLoading)
    with pytest.raises(studio.UsageError, match=r"neither a graph nor a node .asr.wisper."):
        preload(["asr.wisper"])


@pytest.mark.ray
def test_values_stay_there_until_they_are_looked_at(warm_executor):
    graph = "nodes: {t: {use: Tone, with: {seconds: 2.0}}, l: {use: Loudness, in: {audio: t}}}\noutputs: {t: t, l: l}"
    found = run_log(graph, options={"executor": warm_executor, "cache": False})
    assert found.outputs["t"].seconds == 2.0
    assert found.outputs["l"] == 318
    del found
    assert not warm_executor._requests


@pytest.mark.ray
def test_the_service_is_killed(another, graph):
    """Who waits is told at once, no process stays, and the next `up` is a new one."""
    assert standby.up(machine=studio.Machine(cpus=1))
    assert not standby.up()
    address = Address.found()
    service = psutil.Process(address.pid)
    executor = WarmExecutor()
    file = graph(settings="{seconds: 60.0}")
    ended = []
    waiting = threading.Thread(
        target=lambda: ended.append(run_log(studio.load(file), options={"executor": executor}, text="a"))
    )
    waiting.start()
    assert eventually(busy)
    processes = [service, *service.children(recursive=True)]
    os.kill(service.pid, signal.SIGKILL)
    waiting.join(60)
    assert ended[0].result.failures["m"] == "the Studio that was up has ended; run again"
    assert ended[0].result.exit_code == 5
    assert standby.status() is None  # whoever asks next clears away what is left
    _, left = psutil.wait_procs(processes, timeout=20)
    assert not left
    assert not Path(address.socket).parent.exists()
    assert not executor.lives
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Address.found() is None


@pytest.mark.ray
def test_down_leaves_nothing(another, graph):
    assert standby.up(machine=studio.Machine(cpus=1))
    address = Address.found()
    service = psutil.Process(address.pid)
    executor = WarmExecutor()
    assert pid_of(graph(), executor)["text"] == "a!"
    processes = [service, *service.children(recursive=True)]
    temporary = Path(address.socket).parent.parent
    assert len(processes) > 3
    assert standby.down()
    assert not [process for process in processes if process.is_running()]
    assert not list(temporary.glob(f"studio-{service.pid}-*"))
    assert standby.status() is None
    assert not standby.down()
