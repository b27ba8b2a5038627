"""text.template."""

import pytest

from nodes.text.template import Template


def test_the_wires_fill_the_template(work):
    asked = work(Template, template="Consider: {{ caption }}. {{ question | upper }}")
    assert asked.run(caption="a cat", question="why?") == "Consider: a cat. WHY?"


def test_a_missing_wire_is_named(work):
    with pytest.raises(ValueError, match="caption"):
        work(Template, template="{{ caption }}").run()
