"""caption.labels: a sentence that says what it was told, and no more."""

import pytest

from nodes.caption.labels import Labels
from studio import Boxes


def boxes(*labels):
    return Boxes([{"box": [0, 0, 1, 1], "label": label, "score": 0.9} for label in labels])


@pytest.mark.parametrize(
    ("found", "tags", "said"),
    [
        ([], {}, "a photo of something"),
        (["dog"], {}, "a photo with a dog"),
        (
            ["person", "dog", "person"],
            {"golden retriever": 0.4},
            "a photo with two people and a dog; perhaps a golden retriever",
        ),
        (["apple", "orange", "bench"], {}, "a photo with an apple, an orange and a bench"),
        ([], {"espresso": 0.95}, "a photo with an espresso"),
        ([], {"tabby cat": 0.4, "Egyptian Mau": 0.3, "lynx": 0.01}, "a photo, perhaps a tabby cat or an Egyptian Mau"),
        (["cup"], {"cup": 0.9}, "a photo with a cup"),
        (["bus"] * 12, {}, "a photo with many buses"),
        (["scissors", "sheep", "sheep"], {}, "a photo with two sheep and scissors"),
        ([], {"kite (bird of prey)": 0.9}, "a photo with a kite"),
        ([], {"a cat having a striped coat": 0.9}, "a photo with a cat having a striped coat"),
    ],
)
def test_what_is_said(work, found, tags, said):
    assert work(Labels).run(boxes(*found), list(tags), list(tags.values())) == said


def test_how_much_is_said(work):
    told = work(Labels, kinds=1, sure=0.3, guess=0.1).run(boxes("cup", "cup", "dog"), ["espresso", "tea"], [0.4, 0.2])
    assert told == "a photo with an espresso and two cups; perhaps a tea"


def test_each_label_has_a_score(work):
    with pytest.raises(ValueError, match="1 labels with 0 scores"):
        work(Labels).run(boxes(), ["dog"], [])
