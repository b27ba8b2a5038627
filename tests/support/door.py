"""Through the door: a graph from a few lines of YAML, a run, and what happened as short tuples."""

import sqlite3
from pathlib import Path

import studio
from studio.cache.record import record_name
from tests.support import fakes

_WORDS = {
    studio.StepCached: "cached",
    studio.StepFinished: "done",
    studio.StepFailed: "failed",
    studio.StepSkipped: "skipped",
    studio.StepRestarted: "restarted",
    studio.Warned: "warned",
}


class Log(list):
    """What happened, as ("cached", "hear"); with the events, and the result that they make."""

    def __init__(self, run, result) -> None:
        super().__init__()
        self.events, self.result = [], result
        for event in run.events():
            self.events.append(event)
            result.hear(event)
            if word := _WORDS.get(type(event)):
                self.append((word, getattr(event, "step", "")))

    def steps(self, word: str) -> list[str]:
        return sorted(step for found, step in self if found == word)

    def of(self, kind):
        """The events of one class."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def outputs(self) -> dict:
        return dict(self.result)


def load(source, nodes=fakes.ALL, **more):
    """A graph whose nodes are the fakes."""
    return source if isinstance(source, studio.Graph) else studio.load(source, nodes=nodes, **more)


def run_log(source, /, *, options=None, nodes=fakes.ALL, **inputs) -> Log:
    """Runs a graph (on `local`, if nothing else is said) and tells what happened."""
    return Log(*load(source, nodes).start(inputs, {"executor": "local", **(options or {})}))


def outputs(source, /, **inputs) -> dict:
    """What a run gives; StepError if a step fails."""
    log = run_log(source, **inputs)
    log.result.require()
    return log.outputs


def ran(tally: Path) -> int:
    """How often a Counter ran."""
    return len(tally.read_text().splitlines()) if tally.exists() else 0


class AtRest:
    """A record where it lies, handled as if it were a file of its own."""

    def __init__(self, folder: Path, key: str, node: str) -> None:
        self.folder, self.stem, self.name = folder, key, record_name(key, node)

    def read_bytes(self) -> bytes:
        return _sql(self.folder, "SELECT text FROM records WHERE key = ?", bytes.fromhex(self.stem))[0][0]

    def write_bytes(self, text: bytes) -> None:
        _sql(self.folder, "UPDATE records SET text = ? WHERE key = ?", text, bytes.fromhex(self.stem))

    def unlink(self) -> None:
        _sql(self.folder, "DELETE FROM records WHERE key = ?", bytes.fromhex(self.stem))

    def chmod(self, mode: int) -> None:
        """Nothing to do: it is a row."""


def records_at_rest(folder: Path) -> list[AtRest]:
    """The records in a cache folder, in the order of their names."""
    found = _sql(folder, "SELECT key, node FROM records") if (folder / "records.sqlite").is_file() else []
    return sorted((AtRest(folder, key.hex(), node) for key, node in found), key=lambda record: record.name)


def _sql(folder: Path, statement: str, *given: object) -> list[tuple]:
    db = sqlite3.connect(folder / "records.sqlite", timeout=10, isolation_level=None)
    try:
        return db.execute(statement, given).fetchall()
    finally:
        db.close()
