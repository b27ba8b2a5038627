"""The form of a config: equal where its fields are equal, whatever its author shows of them, and nowhere else."""

import io
import json

import pytest
from hypothesis import given, settings
from pydantic import BaseModel, SecretStr

from studio.node.config import ConfigReader, digest_of
from studio.values.digest import Uncacheable, of_bytes, of_data
from tests.support import configs

READER = ConfigReader(lambda form: of_data(["salt", json.dumps(form)]), lambda path: of_bytes(path.read_bytes()))


class Config(BaseModel):
    """Of some node."""

    options: configs.Base = configs.Base()
    value: object = None


def form_of(value):
    return READER.of(Config.model_construct(value=value))


@settings(max_examples=400)
@given(configs.values, configs.values)
def test_forms_are_equal_where_fields_are(one, other):
    first, second = form_of(one), form_of(other)
    assert (digest_of(first) == digest_of(second)) == configs.alike(one, other)
    assert digest_of(first) == digest_of(form_of(configs.rebuilt(one)))


@given(configs.values)
def test_a_form_is_json_for_anybody(value):
    form = form_of(value)
    text = json.dumps(form, ensure_ascii=False, allow_nan=False).encode()
    assert digest_of(json.loads(text)) == digest_of(form)


def test_each_leaf_is_apart_from_all_others():
    forms = [digest_of(form_of(value)) for value in configs.HASHABLE]
    assert len(set(forms)) == len(forms)


def test_a_secret_is_in_no_form():
    word = "swordfish"
    for value in (
        SecretStr(word),
        [{"a": SecretStr(word)}],
        configs.Excluded(b=word),
        configs.Pair(b=word),
        {SecretStr(word)},
    ):
        assert word not in json.dumps(form_of(value))


def test_another_class_in_a_field_of_the_base():
    forms = [
        READER.of(Config(options=options)) for options in (configs.Base(), configs.Derived(), configs.Derived(c=1))
    ]
    assert len({digest_of(form) for form in forms}) == 3


class Thing:
    """Nothing that can be told."""


LOOP: list = []
LOOP.append(LOOP)
NO_FORM = [
    Thing(),
    Thing,
    lambda: 0,
    io.StringIO(),
    iter([1]),
    (each for each in "a"),
    type("Text", (str,), {"__slots__": ["x"]})("a"),
]


@pytest.mark.parametrize("thing", NO_FORM, ids=lambda thing: type(thing).__name__)
def test_what_has_no_form_is_told_by_its_place(thing):
    for value, place in [
        (thing, "config.value"),
        ([1, {"a": thing}], r"config.value\[1\]\['a'\]"),
        (configs.Base(b=thing), "config.value.b"),
    ]:
        with pytest.raises(Uncacheable, match=f"^{place}: a .* has no canonical form"):
            form_of(value)


def test_what_holds_itself_has_no_form():
    with pytest.raises(Uncacheable, match="it holds itself"):
        form_of(LOOP)


def test_a_file_counts_by_its_content(tmp_path):
    file = tmp_path / "table"
    forms = [form_of(file)]
    for text in ("one", "two", "one"):
        file.write_text(text)
        forms.append(form_of(file))
    assert [digest_of(form) for form in forms].index(digest_of(forms[3])) == 1
    assert len({digest_of(form) for form in forms}) == 3
