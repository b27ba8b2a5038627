"""text.template and text.join."""

import pytest

from nodes.text.join import Join
from nodes.text.template import Template


def test_a_template_takes_the_wires(work):
    asked = work(Template, template="Consider: {{ caption }}. {{ question | upper }}")
    assert asked.run(caption="a cat", question="why?") == "Consider: a cat. WHY?"


def test_a_template_misses_a_wire(work):
    with pytest.raises(Exception, match="caption"):
        work(Template, template="{{ caption }}").run()


@pytest.mark.parametrize(("texts", "expected"), [([], ""), (["a"], "a"), (["a", "b"], "a | b")])
def test_join(work, texts, expected):
    assert work(Join, separator=" | ").run(texts) == expected
