"""Through the door, with a data set: a graph, rows, and what became of each."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.door import load

ROOT = Path(__file__).parents[2]
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
        more = () if "--executor" in words else ("--executor", "local")
        return subprocess.Popen(
            [sys.executable, str(ROOT / "cli.py"), "map", *map(str, words), *more],
            cwd=self.folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **env},
        )  # fmt: skip

    def __call__(self, *words, code=0, input=None, seconds=90, **env):
        """What it said on stdout and on stderr."""
        process = self.begin(*words, **env)
        try:
            out, err = process.communicate(input, timeout=seconds)
        finally:
            process.kill()
        assert process.returncode == code, f"{process.returncode}\n{out}\n{err}"
        assert "Traceback" not in out + err, err
        return out, err
