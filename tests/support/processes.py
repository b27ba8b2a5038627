"""Python in a process of its own: a new interpreter, or one forked from a process that has imported what most tests need.

A forked one is as far from the tests as a new one (its own folder, environment, streams, signals and exit code), and
costs a tenth of it. What an import costs or lacks is seen by new ones only: test_face and test_cli start some.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
import types
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = str(ROOT / "cli.py")
IMPORTED = [
    "cli",
    "rich.live",
    "studio.commands.arguments",
    "studio.commands.progress",
    "studio.commands.terminal",
    "studio.dataset.map",
    "studio.dataset.results",
    "studio.executors.local",
    "studio.graph",
    "studio.page",
    "tests.support.door",
]


def environment(**more: str) -> dict[str, str]:
    """This process's environment, in which ours is found and nothing is coloured."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **more}


def python(*words, folder=None, input="", timeout=90, **env) -> subprocess.CompletedProcess:
    """`python *words` in a forked process: what it said, and its exit code."""
    return server().run([str(word) for word in words], str(folder or Path.cwd()), environment(**env), input, timeout)


def begin(*words, folder=None, **env) -> subprocess.Popen:
    """`python *words` in a new interpreter that nobody waits for yet."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)], cwd=folder, env=environment(**env), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def command(*words, **more) -> subprocess.CompletedProcess:
    """`studio *words` in a forked process."""
    return python(COMMAND, *words, **more)


@functools.cache
def server() -> "Server":
    """The one of this process."""
    return Server()


class Server:
    """The process that others are forked from; this side of it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.processes", str(theirs.fileno())],
                cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        atexit.register(self.close)

    def run(self, words, folder, env, input, timeout) -> subprocess.CompletedProcess:
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            streams[0].write(input.encode())
            streams[0].seek(0)
            self._line.settimeout(60)  # for what it imports first
            socket.send_fds(self._line, [json.dumps([words, folder, env]).encode()], [s.fileno() for s in streams])
            child = int(self._line.recv(64))
            try:
                self._line.settimeout(timeout)
                code = int(self._line.recv(64))
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                self._line.recv(64)
                raise
            for stream in streams:
                stream.seek(0)
            return subprocess.CompletedProcess(words, code, *(stream.read().decode() for stream in streams[1:]))

    def close(self) -> None:
        self._line.close()
        self._process.wait(10)


def serve(line: socket.socket) -> None:
    """The other side: forks a child for each message, until there is nobody left to ask for one."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    while True:
        text, streams, _, _ = socket.recv_fds(line, 1 << 20, 3)
        if not text:
            return
        if (child := os.fork()) == 0:
            line.close()
            _become(*json.loads(text), streams)
        line.send(str(child).encode())
        for stream in streams:
            os.close(stream)
        line.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def _become(words: list[str], folder: str, env: dict[str, str], streams: list[int]) -> None:
    """Turns this process into `python *words`, and ends it as an interpreter ends."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    code = 1
    try:
        _do(words)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _do(words: list[str]) -> None:
    first, *rest = words
    if first == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path.insert(0, "")
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(main))
    elif first == "-m":
        sys.argv = rest
        sys.path.insert(0, os.getcwd())
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(first).parent))
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
