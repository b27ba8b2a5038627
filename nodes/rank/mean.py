"""Scores averaged over several sources, such as the frames of a film."""

from studio import InputError, Node


class Mean(Node):
    """The mean of several lists of scores, place by place: [[1, 0], [0, 0]] becomes [0.5, 0]."""

    version = "1"
    inline = True

    def run(self, scores: list[list[float]]) -> list[float]:
        """A score for each place; every list is as long as the first."""
        if not scores:
            raise InputError("there are no lists of scores to take the mean of")
        lengths = {len(one) for one in scores}
        if len(lengths) > 1:
            raise InputError(f"lists of different lengths ({', '.join(map(str, sorted(lengths)))}) have no mean")
        return [sum(column) / len(scores) for column in zip(*scores, strict=True)]
