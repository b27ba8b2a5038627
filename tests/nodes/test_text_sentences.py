"""text.sentences."""

import pytest

from nodes.text.sentences import Sentences


@pytest.mark.parametrize(
    ("text", "expected"), [("", []), ("Mr. Lee left. He did!", ["Mr. Lee left.", "He did!"]), ("a\n\nb", ["a", "b"])]
)
def test_sentences(work, text, expected):
    assert work(Sentences).run(text) == expected
