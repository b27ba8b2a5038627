"""Scores of seeing and of hearing, multiplied, as in the i-Code Studio paper and in Socratic Models.

Fang et al. 2023, https://arxiv.org/abs/2305.13738, section 4.1; Zeng et al. 2022, https://arxiv.org/abs/2204.00598.
"""

import math

from studio import Field, InputError, Node


class Product(Node):
    """Two lists of scores as one list of probabilities: each list through a softmax, then multiplied place by place.

    Without `heard` (a silent film) what was seen decides alone. The result adds up to 1.
    """

    version = "1"
    inline = True

    class Config(Node.Config):
        """How sharply each source decides."""

        sharpness: float = Field(
            100.0, gt=0, description="what scores are multiplied by before the softmax; 100 is CLIP's own"
        )
        heard_sharpness: float = Field(100.0, gt=0, description="the same, for what was heard")

    config: Config

    def run(self, seen: list[float], heard: list[float] | None = None) -> list[float]:
        """A probability for each place."""
        chances = _softmax(seen, self.config.sharpness)
        if heard is None:
            return chances
        if len(heard) != len(seen):
            raise InputError(f"{len(seen)} scores of what was seen, and {len(heard)} of what was heard")
        both = [one * other for one, other in zip(chances, _softmax(heard, self.config.heard_sharpness), strict=True)]
        total = sum(both)
        return [product / total for product in both] if total else chances


def _softmax(scores: list[float], sharpness: float) -> list[float]:
    if not scores:
        return []
    highest = max(scores)
    powers = [math.exp((score - highest) * sharpness) for score in scores]
    return [power / sum(powers) for power in powers]
