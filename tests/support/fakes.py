"""Nodes that the tests run: small, quick, and each good for one thing."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

from studio import Audio, Field, File, Image, ModelUnavailable, Node, Prompt, Resources, Vector


class Upper(Node):
    """Capitals."""

    class Config(Node.Config):
        end: str = ""

    def run(self, text: str) -> str:
        return text.upper() + self.config.end


class Join(Node):
    """Texts in a row."""

    class Config(Node.Config):
        by: str = "+"

    def run(self, texts: list[str]) -> str:
        return self.config.by.join(texts)


class JoinHoled(Node):
    """Texts in a row, with a mark for each that is absent."""

    def run(self, texts: list[str | None]) -> str:
        return "+".join("-" if text is None else text for text in texts)


class Surrounded(Node):
    """The folder that it works in, and one word of its environment."""

    def run(self, text: str) -> str:
        return f"{text}|{os.getcwd()}|{os.environ.get('STUDIO_WORD')}"


class Pair(Node):
    """Two texts as one."""

    def run(self, left: str, right: str) -> str:
        return f"({left} {right})"


class Counter(Node):
    """Text as it is, and a line in a file for each time it ran."""

    class Config(Node.Config):
        tally: str
        mark: str = ""

    def run(self, text: str) -> str:
        with Path(self.config.tally).open("a") as file:
            file.write(f"{text}{self.config.mark}\n")
        return text + self.config.mark


class Parts(NamedTuple):
    first: str
    rest: str
    length: int


class Split(Node):
    """Several named outputs."""

    def run(self, text: str) -> Parts:
        return Parts(text[:1], text[1:], len(text))


class Slow(Node):
    """Takes its time."""

    class Config(Node.Config):
        seconds: float = 1.0
        tally: str = ""

    def run(self, text: str) -> str:
        if self.config.tally:
            with Path(self.config.tally).open("a") as file:
                file.write(f"{os.getpid()}\n")
        time.sleep(self.config.seconds)
        return f"slow {text}"


class Boom(Node):
    """Fails."""

    def run(self, text: str) -> str:
        raise ValueError(f"boom: {text}")


class Leaves(Node):
    """Calls for the end of the process."""

    def run(self, text: str) -> str:
        raise SystemExit("enough")


class Flaky(Node):
    """Fails until it was tried `times` times."""

    class Config(Node.Config):
        tally: str
        times: int = 2

    def run(self, text: str) -> str:
        with Path(self.config.tally).open("a") as file:
            file.write("tried\n")
        if len(Path(self.config.tally).read_text().splitlines()) < self.config.times:
            raise RuntimeError("not yet")
        return text


class Kill(Node):
    """Kills its own process: always, or with a file to remember it by, once."""

    class Config(Node.Config):
        once: str = ""

    def run(self, text: str) -> str:
        if not (self.config.once and Path(self.config.once).exists()):
            if self.config.once:
                Path(self.config.once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return f"survived {text}"


class BadSetup(Node):
    """Cannot be set up."""

    def setup(self) -> None:
        raise RuntimeError("no weights here")

    def run(self, text: str) -> str:
        return text


class Wrong(Node):
    """Returns what it did not declare."""

    def run(self, text: str) -> int:
        return text  # type: ignore[return-value]


class Tone(Node):
    """A sine wave."""

    class Config(Node.Config):
        hertz: float = 440.0
        seconds: float = 0.25
        rate: int = 8000

    def run(self) -> Audio:
        import numpy as np

        time_ = np.arange(int(self.config.seconds * self.config.rate)) / self.config.rate
        return Audio((0.5 * np.sin(2 * np.pi * self.config.hertz * time_)).astype(np.float32), self.config.rate)


class Loudness(Node):
    """How loud a sound is, in thousandths."""

    def run(self, audio: Audio) -> int:
        return round(1000 * float(abs(audio.samples).mean()))


class Louder(Node):
    """A sound, scaled."""

    class Config(Node.Config):
        by: float = 0.5

    def run(self, audio: Audio) -> Audio:
        return Audio(audio.samples * self.config.by, audio.rate)


class Pixels(Node):
    """A picture of noise."""

    class Config(Node.Config):
        seed: int = 0
        side: int = 8

    def run(self) -> Image:
        import numpy as np

        noise = np.random.default_rng(self.config.seed).integers(0, 256, (self.config.side, self.config.side, 3))
        return Image(noise.astype(np.uint8))


class Brightness(Node):
    """The mean of a picture's pixels."""

    def run(self, image: Image) -> float:
        return float(image.array.mean())


class Embed(Node):
    """A vector of a text's letters."""

    def run(self, text: str) -> Vector:
        return Vector([float(ord(letter)) for letter in text])


class Total(Node):
    """The sum of vectors."""

    def run(self, vectors: list[Vector]) -> float:
        return float(sum(vector.array.sum() for vector in vectors))


class Size(Node):
    """The size of a file."""

    def run(self, file: File) -> int:
        return file.nbytes


class Echo(Node):
    """Data as it is."""

    def run(self, data: dict) -> dict:
        return data


class Twice(Node):
    """A port with a default."""

    def run(self, text: str, times: int = 2) -> str:
        return text * times


class Maybe(Node):
    """A port that may stay empty."""

    def run(self, text: str | None) -> str:
        return "nothing" if text is None else f"got {text}"


class Perhaps(Node):
    """An output that may be absent."""

    def run(self, text: str) -> str | None:
        return text or None


class Fill(Node):
    """A template over wires of any name."""

    class Config(Node.Config):
        prompt: Prompt = Field(description="the template")

    def run(self, **wires: str) -> str:
        return self.config.prompt.render(**wires)


class Where(Node):
    """Where it runs."""

    class Config(Node.Config):
        name: str = ""
        seconds: float = 0.0

    def run(self, text: str) -> dict:
        time.sleep(self.config.seconds)
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return {"device": self.device, "threads": self.threads, "visible": visible, "pid": os.getpid()}


class Greedy(Node):
    """Asks for more than there is."""

    resources = Resources(cpus=100_000)

    def run(self, text: str) -> str:
        return text


class Inline(Node):
    """Runs in the caller's process."""

    inline = True

    def run(self, text: str) -> str:
        return str(os.getpid())


class Deed(Node):
    """Leaves a line for each time it runs; fails on some texts, is silent on others, and takes its time."""

    class Config(Node.Config):
        name: str
        tally: str = ""
        fails_on: str = ""
        silent_on: str = ""
        seconds: float = 0.0

    def run(self, text: str, note: str | None = None) -> str | None:
        if self.config.tally:
            with Path(self.config.tally).open("a") as file:
                file.write(f"{self.config.name} {text} {note}\n")
        time.sleep(self.config.seconds)
        if self.config.fails_on and self.config.fails_on in text:
            raise ValueError(f"no {self.config.fails_on}")
        if self.config.silent_on and self.config.silent_on in text:
            return None
        return f"{text}{self.config.name}{note or ''}"[-12:]


class Letters(Node):
    """The first letters of a text."""

    def run(self, text: str) -> list[str]:
        return list(text[:3])


class Secretive(Node):
    """Uses a token: prints it, and raises it if asked to."""

    class Config(Node.Config):
        token: str
        tally: str = ""
        leak: bool = False

    def run(self, text: str) -> str:
        print(f"the token is {self.config.token}")
        print(f"the token is {self.config.token}", file=sys.stderr)
        if self.config.tally:
            with Path(self.config.tally).open("a") as file:
                file.write("ran\n")
        if self.config.leak:
            raise RuntimeError(f"{self.config.token} was refused")
        return f"{len(self.config.token)} {text}"


class Weighted(Node):
    """Has weights: a file, whose content is its identity."""

    class Config(Node.Config):
        weights: str

    @classmethod
    def identity(cls, config, fingerprint):
        if not Path(config.weights).exists():
            raise ModelUnavailable(f"no weights at {config.weights}")
        return fingerprint(Path(config.weights))

    def setup(self) -> None:
        self.weight = Path(self.config.weights).read_text()

    def run(self, text: str) -> str:
        return text + self.weight


class Random(Node):
    """Samples, unless it has a seed."""

    class Config(Node.Config):
        seed: int | None = None

    @classmethod
    def repeatable(cls, config):
        return config.seed is not None

    def run(self, text: str) -> str:
        return f"{text} {time.time_ns()}"


ALL = [
    node for node in list(globals().values()) if isinstance(node, type) and issubclass(node, Node) and node is not Node
]
