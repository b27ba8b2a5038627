"""Configs of many shapes, and whether two of them hold the same, told without any form of ours."""

import copy
import dataclasses
import datetime as dt
import enum
import math
import re
import struct
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, Secret, SecretBytes, SecretStr, field_serializer, model_serializer


class Base(BaseModel):
    """Anything, in two fields."""

    a: Any = None
    b: Any = 0


class Derived(Base):
    """The same and more; a field of the base's type may hold it."""

    c: Any = 0


class Excluded(BaseModel):
    """Nothing that a dump shows."""

    a: Any = Field(None, exclude=True)
    b: Any = Field(None, exclude=True, repr=False)


class Rounded(BaseModel):
    """Shown as less than it is."""

    a: Any = None
    b: Any = None

    @field_serializer("a", "b")
    def _less(self, value: Any) -> str:
        return "less"


class Summed(BaseModel):
    """Shown as one number."""

    a: Any = None
    b: Any = None

    @model_serializer
    def _one(self) -> int:
        return 1


class Open(BaseModel):
    """Takes any fields."""

    model_config = ConfigDict(extra="allow")
    a: Any = None


@dataclasses.dataclass(frozen=True)
class Pair:
    """Anything twice, of which one is hidden."""

    a: Any = None
    b: Any = dataclasses.field(default=None, repr=False)


class Point(NamedTuple):
    x: Any
    y: Any


class Colour(enum.Enum):
    RED = 1
    BLUE = "1"


class Level(enum.IntEnum):
    LOW = 1


class Word(str):
    """Somebody's own text."""

    __slots__ = ()


HASHABLE = [
    *(None, True, False, 0, 1, -1, 0.0, -0.0, 1.0, math.nan, math.inf, -math.inf, 2**64, -(2**64), float(2**64)),
    *(
        "",
        "0",
        "1",
        "nan",
        "!set",
        "!secret",
        b"",
        b"1",
        "\ud800",
        "eda080",
        Word("1"),
        Colour.RED,
        Colour.BLUE,
        Level.LOW,
    ),
    *(Path("1"), Decimal(1), Decimal("1.0"), Fraction(1), 1j, (), (1,), (True,), Point(1, 2), (1, 2), range(1)),
    *(frozenset(), frozenset({1, "1"}), frozenset({"a", "b"}), re.compile("1"), re.compile("1", re.IGNORECASE)),
    *(dt.date(2020, 1, 1), dt.datetime(2020, 1, 1), dt.timedelta(1), dt.timedelta(0, 86399)),
    dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2020, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    *(SecretStr(""), SecretStr("1"), SecretStr("2"), SecretBytes(b"1"), Secret(1), Secret("1"), int, str),
]
leaves = st.sampled_from(HASHABLE) | st.integers() | st.floats() | st.text(max_size=2)


def _holding(inner):
    two = st.tuples(inner, inner)
    models = [
        st.builds(lambda kind, values: kind(a=values[0], b=values[1]), st.sampled_from(kinds), two)
        for kinds in ([Base, Excluded, Rounded, Summed], [Pair, Derived])
    ]
    return st.one_of(
        st.lists(inner, max_size=2),
        two,
        st.sets(st.sampled_from(HASHABLE), max_size=3),
        st.dictionaries(st.sampled_from(["a", "!set", "!class", 1, "1", 1.0, None]), inner, max_size=2),
        *models,
        inner.map(lambda value: Open(more=value)),
        inner.map(Secret),
        two.map(lambda values: Point(*values)),
    )


values = st.recursive(leaves, _holding, max_leaves=5)


def rebuilt(value: Any) -> Any:
    """The same again, made of other objects; sets in another order, where there is one."""
    if isinstance(value, set) and len(value) > 1:
        return set(dict.fromkeys([*value][::-1]))
    return copy.deepcopy(value)


def alike(one: Any, other: Any) -> bool:
    """Whether a node could not tell two values apart by what they hold."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (one != one and other != other) or struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, SecretStr | SecretBytes | Secret):
        return alike(one.get_secret_value(), other.get_secret_value())
    if isinstance(one, BaseModel):
        return alike(vars(one), vars(other)) and alike(one.__pydantic_extra__, other.__pydantic_extra__)
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return alike(vars(one), vars(other))
    if isinstance(one, dict):
        return alike([*one.items()], [*other.items()])
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, set | frozenset):
        return len(one) == len(other) and all(any(alike(item, each) for each in other) for item in one)
    if isinstance(one, Decimal | dt.datetime):
        return str(one) == str(other)
    return bool(one == other)
