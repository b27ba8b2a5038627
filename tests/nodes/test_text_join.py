"""text.join."""

import pytest

from nodes.text.join import Join


@pytest.mark.parametrize(("texts", "expected"), [([], ""), (["a"], "a"), (["a", "b"], "a | b")])
def test_join(work, texts, expected):
    assert work(Join, separator=" | ").run(texts) == expected


@pytest.mark.parametrize(
    ("texts", "expected"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_another_before_the_last(work, texts, expected):
    assert work(Join, separator=", ", last=" and ").run(texts) == expected
