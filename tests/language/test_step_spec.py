"""What a step says of how it is run: every form it may be written in, and the fields of the plan that it becomes."""

import jsonschema
import pytest

from studio.language.schema import json_schema
from studio.node.registry import Registry
from tests.support.door import load

FORMS = [
    ("", (0, 0.0, 1.0)),
    ("retries: 3", (3, 0.0, 1.0)),
    ("retries: {times: 3}", (3, 0.0, 1.0)),
    ("retries: {times: 3, delay: 1.5}", (3, 1.5, 1.0)),
    ("retries: {times: 3, delay: 1.5, backoff: 2}", (3, 1.5, 2.0)),
    ("retries: {times: 0, delay: 9}", (0, 9.0, 1.0)),
    ("retries: {times: 100, delay: 1, backoff: 1.2}", (100, 1.0, 1.2)),
]


@pytest.mark.parametrize(("form", "fields"), FORMS)
def test_retries(form, fields):
    step = load(f"nodes: {{s: {{use: Upper, with: {{text: x}}, {form}}}}}\noutputs: {{o: s}}").plan.steps["s"]
    assert (step.retries, step.retry_delay, step.retry_backoff) == fields


@pytest.mark.parametrize("retries", [3, {"times": 3}, {"times": 3, "delay": 1.5, "backoff": 2}])
def test_an_editor_takes_every_form_of_retries(retries):
    jsonschema.validate(graph(retries), json_schema(Registry()))


@pytest.mark.parametrize("retries", [-1, "often", {"delay": 1}, {"times": 3, "delay": -1}, {"times": 3, "wait": 1}])
def test_an_editor_marks_a_wrong_form_of_retries(retries):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(graph(retries), json_schema(Registry()))


def graph(retries):
    return {"nodes": {"s": {"use": "text.join", "with": {"texts": ["x"]}, "retries": retries}}, "outputs": {"o": "s"}}
