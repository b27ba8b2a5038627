"""The form of a config: equal where its fields are equal, whatever its author shows of them, and nowhere else."""

import dataclasses
import functools
import io
import json
import math
import zoneinfo

import numpy as np
import pytest
from hypothesis import given, settings
from pydantic import BaseModel, PrivateAttr, SecretStr, model_validator

import studio
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


@dataclasses.dataclass
class Seeded:
    """It keeps what it was made with in no field."""

    x: int = 0
    y: dataclasses.InitVar[int] = 0

    def __post_init__(self, y):
        self.z = y

    @functools.cached_property
    def twice(self):
        return self.x * 2


class Signed(BaseModel):
    """So does this."""

    _token: str = PrivateAttr("")

    @model_validator(mode="wrap")
    @classmethod
    def signed(cls, given, handler):
        made = handler({})
        made._token = given["token"]
        return made

    @functools.cached_property
    def loud(self):
        return self._token.upper()


@pytest.mark.parametrize(
    ("one", "other", "ask"),
    [
        (Seeded(1, 4), Seeded(1, 5), "twice"),
        (Signed.model_validate({"token": "swordfish"}), Signed.model_validate({"token": "b"}), "loud"),
    ],
    ids=["dataclass", "model"],
)
def test_what_is_held_in_no_field_counts(one, other, ask):
    forms = [form_of(value) for value in (one, other)]
    assert digest_of(forms[0]) != digest_of(forms[1])
    assert "swordfish" not in json.dumps(forms)
    getattr(one, ask)  # what follows from the rest does not count
    assert form_of(one) == forms[0]


class Token(studio.Node):
    """Says under whose token it works."""

    class Config(studio.Node.Config):
        """A token that is taken out before the fields are made."""

        token: str = ""
        named: int = studio.Field(0, alias="other")
        _token: str = PrivateAttr("")

        @model_validator(mode="wrap")
        @classmethod
        def taken(cls, given, handler):
            """Keep it to itself."""
            made = handler({name: value for name, value in given.items() if name != "token"})
            made._token = given["token"]
            return made

    config: Config

    def run(self, text: str) -> str:
        """Say it."""
        return f"{text} by {self.config._token}, {self.config.named}"


@pytest.mark.parametrize("cache", [False, None])
def test_two_steps_work_each_with_its_own(tmp_path, cache):
    steps = {name: {"use": "Token", "with": {"text": "hi", "token": name, "named": 1}} for name in ("one", "two")}
    graph = studio.load({"nodes": steps, "outputs": {"one": "one", "two": "two"}}, nodes=[Token])
    options = {"executor": "local", "cache": tmp_path if cache is None else cache}
    for _ in range(2):
        result = graph.run(options=options)
        assert (result["one"], result["two"]) == ("hi by one, 1", "hi by two, 1")


def test_what_a_library_brings_has_a_form():
    things = [
        *(len, max, math.sqrt, json.dumps, np.float32, zoneinfo.ZoneInfo("UTC"), zoneinfo.ZoneInfo("Europe/Lisbon")),
        *(np.array([1, 2]), np.array([1.0, 2.0]), np.array([[1, 2]]), np.array(1), np.int64(1), np.datetime64(1, "D")),
    ]
    assert len({digest_of(form_of(thing)) for thing in things}) == len(things)
    assert form_of(np.array([1, 2])) == form_of(np.array([1, 2]))
    for thing in (np.array([object()]), functools.partial(len), form_of):
        with pytest.raises(Uncacheable):
            form_of(thing)


def test_a_file_counts_by_its_content(tmp_path):
    file = tmp_path / "table"
    forms = [form_of(file)]
    for text in ("one", "two", "one"):
        file.write_text(text)
        forms.append(form_of(file))
    assert [digest_of(form) for form in forms].index(digest_of(forms[3])) == 1
    assert len({digest_of(form) for form in forms}) == 3
