"""A sentence made of what detectors and classifiers found: no model looks at the picture here."""

from collections import Counter

from studio import Boxes, Field, Node

from .._articles import ALREADY, with_article

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_PLURALS = {"person": "people", "mouse": "mice", "knife": "knives", "sheep": "sheep", "scissors": "scissors"}


class Labels(Node):
    """An honest sentence from boxes and tags: "a photo with a dog and two people; perhaps a golden retriever".

    It only lists what it was told, with a doubt where the teller had one. It is no captioning model: it knows nothing
    of actions, places, colours, or of how things stand to each other, and repeats every error of what it is given.
    """

    version = "1"
    inline = True

    class Config(Node.Config):
        """How much is said, and how surely."""

        sure: float = Field(0.5, ge=0, le=1, description="a tag with at least this score is stated, not guessed")
        guess: float = Field(0.15, ge=0, le=1, description="a tag with a lower score is not mentioned")
        kinds: int = Field(4, ge=1, description="most kinds of things counted")

    config: Config

    def run(self, boxes: Boxes, labels: list[str], scores: list[float]) -> str:
        """Say it; boxes are things to be counted, labels with their scores are names for the whole."""
        if len(labels) != len(scores):
            raise ValueError(f"{len(labels)} labels with {len(scores)} scores: each has one")
        tags = [(label, score) for label, score in zip(labels, scores, strict=True) if label not in boxes.labels]
        sure = [label for label, score in tags if score >= self.config.sure][:1]
        counted = Counter(boxes.labels).most_common(self.config.kinds)
        known = [with_article(label) for label in sure] + [_counted(label, count) for label, count in counted]
        guesses = [with_article(label) for label, score in tags if self.config.guess <= score < self.config.sure][:2]
        return _sentence(known, guesses)


def _sentence(known: list[str], guesses: list[str]) -> str:
    doubt = f"perhaps {' or '.join(guesses)}" if guesses else ""
    if known:
        return f"a photo with {listed(known)}" + (f"; {doubt}" if doubt else "")
    return f"a photo, {doubt}" if doubt else "a photo of something"


def listed(words: list[str]) -> str:
    """Words one after the other: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _counted(label: str, count: int) -> str:
    if count == 1:
        return with_article(label)
    number = _NUMBERS[count] if count < len(_NUMBERS) else "many"
    return f"{number} {_plural(label)}"


def _plural(label: str) -> str:
    if label in _PLURALS or label in ALREADY:
        return _PLURALS.get(label, label)
    return label + ("es" if label.endswith(("s", "ch", "sh", "x")) else "s")
