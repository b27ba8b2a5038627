"""Nodes of the tests of data sets, where a worker in another process finds them."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import ClassVar

from studio import Node


class Work(Node):
    """Takes its time, and leaves a line for each time it runs. `here` must be there for texts with `if`."""

    class Config(Node.Config):
        tally: str
        seconds: float = 0.0
        here: str = ""

    def run(self, text: str) -> str:
        with Path(self.config.tally).open("a") as file:
            file.write(f"{text}\n")
        time.sleep(30 if "long" in text else self.config.seconds)
        if "bad" in text or ("if" in text and not Path(self.config.here).exists()):
            raise ValueError(f"no {text}")
        return f"{text}!"


class Deadly(Node):
    """Kills its own process: for `poison` always, for other texts with an x the first time only."""

    class Config(Node.Config):
        folder: str

    def run(self, text: str) -> str:
        return self.run_batch([{"text": text}])[0]

    def run_batch(self, inputs: list[dict]) -> list:
        for text in (given["text"] for given in inputs):
            mark = Path(self.config.folder) / text
            if text == "poison" or ("x" in text and not mark.exists()):
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return [given["text"].upper() for given in inputs]


class Choosy(Node):
    """A batch in which one may raise."""

    def run(self, text: str) -> str:
        return self.run_batch([{"text": text}])[0]

    def run_batch(self, inputs: list[dict]) -> list:
        time.sleep(0.01)
        if any(given["text"] == "worst" for given in inputs):
            raise ValueError("worst")
        return [ValueError("bad") if given["text"] == "bad" else f"{given['text']}?" for given in inputs]


class Nap(Node):
    """Sleeps for as long as it is told; who slept, if it is a thread of ours."""

    workers: ClassVar[list[tuple[int, float]]] = []

    def run(self, number: float) -> float:
        self.workers.append((threading.get_ident(), number))
        time.sleep(number)
        return number


class Place(Node):
    """The machine of a cluster that it runs on."""

    class Config(Node.Config):
        seconds: float = 0.05

    def run(self, text: str) -> str:
        import ray

        time.sleep(self.config.seconds)
        return f"{text} {ray.get_runtime_context().get_node_id()}"


class Tally(Node):
    """Its texts with a mark; each time it runs it leaves a line. `bad` ones fail, `once` ones the first time."""

    class Config(Node.Config):
        folder: str
        mark: str
        bad: str = "nothing"

    def run(self, left: str, right: str = "") -> str:
        text = left + right
        path = Path(self.config.folder) / self.config.mark
        with path.open("a") as file:
            file.write(f"{text}\n")
        if self.config.bad in text:
            raise ValueError(f"no {text}")
        if f"once{self.config.mark}" in text and path.read_text().count(f"{text}\n") < 2:
            raise OSError("try again")
        return f"{text}{self.config.mark}"


class Together(Node):
    """How many were computed with it, and the text."""

    def run(self, text: str) -> dict:
        if "worse" in text:
            raise ValueError("no")
        return {"of": 1, "text": text}

    def run_batch(self, inputs: list[dict]) -> list:
        if any("worse" in each["text"] for each in inputs):
            raise ValueError("one of them")
        return [{"of": len(inputs), **each} for each in inputs]
