"""What the tests of nodes share: a node at work without an engine, real speech and photographs, a judge of words."""

import os
import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from studio import Audio, Image, Node
from tests.checkpoints.shapes import Drawing, drawings

os.environ.setdefault("HF_HUB_OFFLINE", "1")

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
_CLIPS = {
    "beckett": "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better.",
    "two_cities": (
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
        "foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of light, it was "
        "the season of darkness, it was the spring of hope, it was the winter of despair, we had everything before "
        "us, we had nothing before us, we were all going direct to heaven, we were all going direct the other way. In "
        "short, the period was so far like the present period that some of its noisiest authorities insisted on its "
        "being received, for good or for evil, in the superlative degree of comparison only."
    ),
}


@pytest.fixture(scope="session")
def work() -> Callable[..., Node]:
    """A node as a worker holds it: `work(NodeClass, key=value …)`, or a reason to skip where something is missing."""

    def made(node: type[Node], **config: object) -> Node:
        worker = node()
        worker.config, worker.device, worker.threads = node.Config(**config), "cpu", os.cpu_count() or 1
        worker.setup()
        return worker

    return made


@pytest.fixture(scope="session")
def clip() -> Callable[[str], tuple[Audio, str]]:
    """Real English speech with its words, from the moonshine-voice package (MIT): `clip("beckett")`."""

    def found(name: str) -> tuple[Audio, str]:
        files = metadata.files("moonshine-voice") if installed("moonshine-voice") else []
        paths = [
            Path(str(file.locate())) for file in files or [] if file.as_posix() == f"moonshine_voice/assets/{name}.wav"
        ]
        if not paths:
            pytest.skip(f"real speech '{name}.wav' comes from the package moonshine-voice, which is not installed")
        soundfile = pytest.importorskip("soundfile")
        samples, rate = soundfile.read(paths[0], dtype="float32")
        return Audio(samples, rate), _CLIPS[name]

    return found


@pytest.fixture(scope="session")
def photo() -> Callable[[str], Image]:
    """A photograph from the scikit-image package (all free to use, see its data/README.txt): `photo("coffee.png")`."""

    def found(name: str) -> Image:
        files = metadata.files("scikit-image") if installed("scikit-image") else []
        paths = [Path(str(file.locate())) for file in files or [] if file.as_posix() == f"skimage/data/{name}"]
        if not paths:
            pytest.skip(f"the photograph '{name}' comes from the package scikit-image, which is not installed")
        return Image.open(paths[0])

    return found


@pytest.fixture(scope="session")
def needs() -> Callable[..., None]:
    """Skip unless these distributions are installed; nothing is imported."""

    def check(*packages: str) -> None:
        absent = [package for package in packages if not installed(package)]
        if absent:
            pytest.skip(f"not installed: {', '.join(absent)}")

    return check


@pytest.fixture(scope="session")
def checkpoint() -> Callable[[str], str]:
    """A folder of tiny trained weights: `checkpoint("clip")`."""
    return lambda name: str(CHECKPOINTS / name)


@pytest.fixture(scope="session")
def drawn() -> Callable[[int], list[tuple[Drawing, Image]]]:
    """So many drawings that no checkpoint was trained on, each with its picture as a value."""
    return lambda count: [(drawing, Image(drawing.picture)) for drawing in drawings(count, seed=2026)]


@pytest.fixture(scope="session")
def misheard() -> Callable[[str, str], float]:
    """Word error rate of what was heard against what was said, case and punctuation aside."""

    def rate(said: str, heard: str) -> float:
        reference, hypothesis = _words(said), _words(heard)
        costs = list(range(len(hypothesis) + 1))
        for row, word in enumerate(reference, 1):
            diagonal, costs[0] = costs[0], row
            for column, other in enumerate(hypothesis, 1):
                best = min(costs[column] + 1, costs[column - 1] + 1, diagonal + (word != other))
                diagonal, costs[column] = costs[column], best
        return costs[-1] / len(reference)

    return rate


def installed(package: str) -> bool:
    """Whether pip has installed `package`."""
    return any(metadata.distributions(name=package))


def _words(text: str) -> list[str]:
    return re.sub(r"[^\w\s]", "", text.lower().replace("-", " ")).split()
