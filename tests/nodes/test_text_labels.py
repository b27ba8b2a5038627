"""text.labels."""

import pytest

from nodes.text.labels import Labels
from studio import Boxes


@pytest.mark.parametrize(
    ("labels", "expected"), [([], []), (["dog", "apple", "dog", "skis"], ["a dog", "an apple", "skis"])]
)
def test_labels(work, labels, expected):
    boxes = Boxes([{"box": [0, 0, 1, 1], "label": label, "score": 0.9} for label in labels])
    assert work(Labels).run(boxes) == expected
