"""Text, number, bool and data: values that Python already has."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, TypeAlias

from studio.values.base import JsonKind

__all__ = ["BoolKind", "DataKind", "NumberKind", "TextKind", "float_of", "from_json", "once_each"]

Plain: TypeAlias = Any  # JSON of any shape

_MAX_DEPTH = 100
_MOST_DIGITS = 100  # that a Decimal is written out with


def float_of(word: str) -> float | Decimal:
    """A number with a point or an exponent; a Decimal, which a kind may refuse, where a float would lose digits."""
    number = float(word)
    if len(word) <= 16 and "e" not in word and "E" not in word:  # at most 15 digits, all of which a float keeps
        return number
    return number if repr(number) == word or Decimal(repr(number)) == Decimal(word) else Decimal(word)


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError where a key stands twice, as one of its values would be lost."""
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key '{next(key for key in keys if keys.count(key) > 1)}' stands twice")
    return made


_decode = json.JSONDecoder(object_pairs_hook=once_each, parse_float=float_of).decode


def from_json(text: str) -> Any:
    """What JSON says, with every digit of its numbers, and every key once; ValueError for what is none."""
    return _decode(text)


class TextKind(JsonKind[str]):
    """A piece of text. A decimal number is one too: its digits."""

    name = "text"
    suffix = ".txt"
    python = str

    def coerce(self, raw: object) -> str:
        if isinstance(raw, Decimal) and raw.is_finite() and abs(raw.adjusted()) <= _MOST_DIGITS:
            return f"{raw:f}"
        if not isinstance(raw, str):
            raise ValueError(f"expected text, not {_named(raw)}")
        return str(raw)


class NumberKind(JsonKind[float]):
    """An integer or a float; which of the two it is, is kept."""

    name = "number"
    python = float

    def coerce(self, raw: object) -> float:
        number = _unwrapped(raw)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"expected a number, not {_named(raw)}")
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"expected a finite number, not {number}")
        return number

    def parse(self, word: str) -> float:
        try:
            number = from_json(word)
        except ValueError:
            raise ValueError(f"expected a number, not '{word}'") from None
        if isinstance(number, bool) or not isinstance(number, int | float | Decimal):
            raise ValueError(f"expected a number, not '{word}'")
        return self.coerce(number)


class BoolKind(JsonKind[bool]):
    """True or false."""

    name = "bool"
    python = bool

    def coerce(self, raw: object) -> bool:
        flag = _unwrapped(raw)
        if not isinstance(flag, bool):
            raise ValueError(f"expected true or false, not {_named(raw)}")
        return flag

    def parse(self, word: str) -> bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if word.lower() not in words:
            raise ValueError(f"expected true or false, not '{word}'")
        return words[word.lower()]


class DataKind(JsonKind[Any]):
    """Any JSON: objects and lists of it, in the order given."""

    name = "data"
    python = dict

    def coerce(self, raw: object) -> Plain:
        return _plain(raw, 0)

    def restore(self, data: Plain) -> Plain:
        return data  # JSON has just made it: nothing to check

    def parse(self, word: str) -> Plain:
        try:
            return self.coerce(from_json(word))
        except RecursionError:
            raise ValueError(f"data nested more than {_MAX_DEPTH} deep") from None
        except json.JSONDecodeError as error:
            shown = word if len(word) <= 60 else word[:57] + "…"
            raise ValueError(f"expected JSON, not '{shown}' ({error})") from None


def _plain(raw: object, depth: int) -> Plain:
    if depth > _MAX_DEPTH:
        raise ValueError(f"data nested more than {_MAX_DEPTH} deep, or holding itself")
    if isinstance(raw, dict):
        return {_name(key): _plain(value, depth + 1) for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return [_plain(item, depth + 1) for item in raw]
    scalar = _unwrapped(raw)
    if isinstance(scalar, float) and not math.isfinite(scalar):
        raise ValueError(f"JSON has no {scalar}")
    if scalar is None or isinstance(scalar, str | int | float):
        return scalar
    raise ValueError(f"data is JSON (objects, lists, text, numbers, true, false, null), not {_named(raw)}")


def _name(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError(f"the names in an object are text, not {_named(key)}")
    return key


def _unwrapped(raw: object) -> object:
    """A numpy scalar or a decimal number as the Python number it holds."""
    if type(raw).__module__ == "numpy" and getattr(raw, "shape", None) == () and hasattr(raw, "item"):
        return raw.item()
    return _exact(raw) if isinstance(raw, Decimal) else raw


def _exact(decimal: Decimal) -> int | float:
    """The number that a decimal is; ValueError where it has more digits than a number keeps."""
    number = float(decimal)
    if not decimal.is_finite():
        return number  # refused, as others are
    if abs(decimal.adjusted()) <= _MOST_DIGITS and decimal == decimal.to_integral_value():
        return int(decimal)
    if Decimal(repr(number)) == decimal:
        return number
    if number == 0 or math.isinf(number):
        raise ValueError(
            f"{decimal} is beyond what a number keeps (64 bits): give it as text, to an input that is text"
        )
    raise ValueError(
        f"{decimal} has more digits than a number keeps (about 16): give it as text, to an input that is text"
    )


def _named(raw: object) -> str:
    shown = repr(raw)
    return f"{shown} ({type(raw).__name__})" if len(shown) <= 40 else f"a {type(raw).__name__}"
