"""Through the door: a graph from a few lines of YAML, a run, and what happened as short tuples."""

from pathlib import Path

import studio
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
