"""Scores of seeing and of hearing, multiplied, as in the i-Code Studio paper and in Socratic Models.

Fang et al. 2023, https://arxiv.org/abs/2305.13738, section 4.1; Zeng et al. 2022, https://arxiv.org/abs/2204.00598.
"""

import math

from studio import Field, InputError, Node


class Product(Node):
    """Two lists of scores multiplied, place by place; without `heard` (a silent film) what was seen decides alone.

    As the papers do it, similarities are multiplied as they are; one below 0 counts as 0. With `sharpness` each list
    first becomes probabilities by a softmax, which lets a source that is sure outweigh one that is not.
    """

    version = "1"
    inline = True

    class Config(Node.Config):
        """Whether scores become probabilities first."""

        sharpness: float | None = Field(
            None, gt=0, description="what scores are multiplied by before a softmax (100 with CLIP); null: no softmax"
        )

    config: Config

    def run(self, seen: list[float], heard: list[float] | None = None) -> list[float]:
        """A score for each place."""
        sources = [seen] if heard is None else [seen, heard]
        if len({len(scores) for scores in sources}) > 1:
            raise InputError(f"{len(sources[0])} scores of what was seen, and {len(sources[1])} of what was heard")
        weighed = [_softmax(scores, self.config.sharpness) for scores in sources] if self.config.sharpness else sources
        if len(weighed) == 1:
            return list(weighed[0])
        return [max(one, 0.0) * max(other, 0.0) for one, other in zip(*weighed, strict=True)]


def _softmax(scores: list[float], sharpness: float) -> list[float]:
    if not scores:
        return []
    highest = max(scores)
    powers = [math.exp((score - highest) * sharpness) for score in scores]
    return [power / sum(powers) for power in powers]
