"""text.join."""

import pytest

from nodes.text.join import Join


@pytest.mark.parametrize(("texts", "expected"), [([], ""), (["a"], "a"), (["a", "b"], "a | b")])
def test_join(work, texts, expected):
    assert work(Join, separator=" | ").run(texts) == expected
