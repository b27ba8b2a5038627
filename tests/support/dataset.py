"""Through the door, with a data set: a graph, rows, and what became of each."""

import json
import subprocess
from pathlib import Path

from tests.support.door import load
from tests.support.processes import COMMAND, begin, command

UPPER = "inputs: {text: text}\nnodes: {a: {use: 'tests.support.fakes:Upper', in: {text: text}}}\noutputs: {x: a}"


def mapped(source, rows, /, options=None, **more):
    """Maps a graph (on `local`, if nothing else is said), not begun yet."""
    return load(source).map(rows, options={"executor": "local", **(options or {})}, **more)


def ends(source, rows, /, options=None, **more) -> dict:
    """What became of each item, by its id: its outputs, or else its error."""
    return {each.id: each.error or dict(each) for each in mapped(source, rows, options, **more)}


def lines(folder) -> list[dict]:
    """The lines of a run's results."""
    return [json.loads(line) for line in (Path(folder) / "results.jsonl").read_text().splitlines()]


def told(folder) -> list[tuple]:
    """The same without what differs from run to run."""
    return [(line["id"], line["status"], line["outputs"], line["error"]) for line in lines(folder)]


def write(path, rows) -> Path:
    """A data set of JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Command:
    """`studio map`, as a shell sees it, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, *words, **env) -> subprocess.Popen:
        """The process, which nobody waits for yet."""
        return begin(COMMAND, *self._words(words), folder=self.folder, **env)

    def __call__(self, *words, code=0, input="", seconds=90, **env):
        """What it said on stdout and on stderr."""
        done = command(*self._words(words), folder=self.folder, input=input, timeout=seconds, **env)
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done.stdout, done.stderr

    def _words(self, words) -> tuple:
        return ("map", *words) if "--executor" in words else ("map", *words, "--executor", "local")
