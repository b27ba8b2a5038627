"""Texts in the order of their scores."""

from typing import NamedTuple

from studio import Field, InputError, Node


class Ranked(NamedTuple):
    """The best text, and all that were asked for: objects of `text` and `score`, best first."""

    best: str
    ranking: list


class Top(Node):
    """Texts with their scores, best first; equal ones stay in the order given."""

    version = "1"
    inline = True

    class Config(Node.Config):
        """How many."""

        top: int = Field(10, ge=1, description="how many are kept")

    config: Config

    def run(self, texts: list[str], scores: list[float]) -> Ranked:
        """Put them in order."""
        if not texts or len(texts) != len(scores):
            raise InputError(
                f"{len(texts)} texts with {len(scores)} scores: each text has one, and there is at least one"
            )
        order = sorted(range(len(texts)), key=lambda place: -scores[place])[: self.config.top]
        return Ranked(texts[order[0]], [{"text": texts[place], "score": scores[place]} for place in order])
