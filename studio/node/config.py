"""Config: what the fields of a node's config hold, as plain data in which no two values look alike.

It reads the fields themselves, never a serializer, an `exclude` or a `repr`: those say what is to be shown,
and a node sees all of it. None, text, true and false, numbers, lists and dicts of text stand as they are, so that
people can read them; anything else is a dict whose first key begins with `!` and says what it is. All of
it is JSON that any reader takes. What has no such form raises `Uncacheable`, and never becomes a constant.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import inspect
import ipaddress
import json
import math
import re
import sys
import uuid
import zoneinfo
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePath
from types import BuiltinFunctionType, FunctionType
from typing import Any, TypeVar

from pydantic import BaseModel, NameEmail, Secret, SecretBytes, SecretStr
from pydantic_core import MultiHostUrl, TzInfo, Url

from studio.node.closure import member
from studio.node.modules import installed
from studio.values.digest import Uncacheable, of_bytes

__all__ = ["ConfigReader", "Form", "digest_of"]

Made = TypeVar("Made")
Form = Any  # plain data that JSON keeps as it is

_NAMED = (type, FunctionType, BuiltinFunctionType)
_LARGEST = 1 << 63  # not every reader of JSON takes larger integers
_FROM_FILE = re.compile(r"^studio_file_[0-9a-f]*\.?")  # a module that was loaded from a file is named by its place


def digest_of(form: Form) -> str:
    """The digest of such a form, the order of its dicts included: a node sees that, too."""
    return of_bytes(json.dumps(form).encode())


class ConfigReader:
    """Makes forms. It reads no value twice, and keeps none."""

    def __init__(self, salted: Callable[[Form], str], files: Callable[[Path], str]) -> None:
        """salted: the digest of what is secret. files: the content digest of a file that a setting names."""
        self._salted, self._files = salted, files

    def of(self, value: object, place: str = "config") -> Form:
        """The form of a value; Uncacheable names the place of what has none."""
        try:
            return self._of(value, place)
        except RecursionError:
            raise Uncacheable(f"{place}: it holds itself, or is nested too deep") from None

    def hidden(self, form: Form) -> Form:
        """What stands for a form that is not to be shown."""
        return {"!hidden": self._salted(form)}

    def _of(self, value: object, place: str) -> Form:
        return _way_for(type(value))(self, value, place)

    def _as_it_is(self, value: object, place: str) -> Form:
        return value

    def _without_parts(self, value: object, place: str) -> Form:
        try:
            return _WITHOUT_PARTS[type(value)](value)
        except Uncacheable as error:
            raise Uncacheable(f"{place}: {error}") from None

    def _enum(self, value: Enum, place: str) -> Form:
        try:
            return {"!enum": [_name(type(value)), value.name, self._of(value.value, place)]}
        except Uncacheable:  # its name tells it apart
            return {"!enum": [_name(type(value)), value.name]}

    def _secret(self, value: Any, place: str) -> Form:
        form = self._of(value.get_secret_value(), place)
        # An empty one is none, and says nothing: results that were made without a key can be shared.
        told = form if form in ("", None) else self._salted(form)
        return {"!secret": [_name(type(value)), told]}

    def _model(self, value: BaseModel, place: str) -> Form:
        fields = {
            name: self._field(vars(value)[name], field.repr, f"{place}.{name}")
            for name, field in type(value).model_fields.items()
            if name in vars(value)
        }
        extra = value.__pydantic_extra__ or {}
        more = {"!extra": [[name, self._of(extra[name], f"{place}.{name}")] for name in sorted(extra)]} if extra else {}
        private = value.__pydantic_private__ or {}
        return {
            "!class": _name(type(value)),
            **fields,
            **more,
            **self._besides(value, {**vars(value), **private}, fields, place),
        }

    def _dataclass(self, value: Any, place: str) -> Form:
        fields = {
            field.name: self._field(getattr(value, field.name), field.repr, f"{place}.{field.name}")
            for field in dataclasses.fields(value)
            if hasattr(value, field.name)
        }
        return {
            "!class": _name(type(value)),
            **fields,
            **self._besides(value, getattr(value, "__dict__", {}), fields, place),
        }

    def _besides(self, value: object, held: Mapping[str, object], fields: Iterable[str], place: str) -> Form:
        """What a value holds that is no field: a validator or `__post_init__` put it there, of what no field keeps."""
        names = sorted(name for name in held.keys() - set(fields) if not _follows(type(value), name))
        own = {name: self.hidden(self._of(held[name], f"{place}.{name}")) for name in names}
        return {"!own": own} if own else {}

    def _field(self, value: object, shown: bool, place: str) -> Form:
        """What a field holds; of one that its author hides from every `repr`, no more than a digest."""
        form = self._of(value, place)
        return form if shown or value is None else self.hidden(form)

    def _path(self, value: PurePath, _: str) -> Form:
        """A path, and with it the content of the file that it names: `setup` reads it."""
        tag = "!path" if type(value) is type(Path()) else f"!path {_name(type(value))}"
        try:
            if isinstance(value, Path) and value.is_file():
                return {tag: [str(value), self._files(value)]}
        except (OSError, ValueError):
            pass  # what cannot be read decides nothing
        return {tag: _text(str(value))}

    def _held(self, value: Any, place: str) -> Form:
        """What holds others; or a class of somebody's above one of Python's, and what it has besides."""
        base, tag = _base_of(type(value))
        content = self._content(base, value, place)
        if type(value) is base:
            return {tag: content} if tag else content
        if not tag:
            raise Uncacheable(f"{place}: a {type(value).__name__} has no canonical form")
        own = getattr(value, "__dict__", None)
        return {tag: content, **({"!own": self._of(own, place)} if own else {})}

    def _content(self, base: type, value: Any, place: str) -> Form:
        """What a value holds as one of a base type, whatever its own class makes of it."""
        if base in _PLAINLY:
            return _WITHOUT_PARTS[base](_PLAINLY[base](value))
        if base is dict:
            return self._dict(dict.items(value), place)
        if base is defaultdict:
            return [self._of(value.default_factory, place), self._dict(dict.items(value), place)]
        items = [self._of(item, f"{place}[{number}]") for number, item in enumerate(_ITEMS[base](value))]
        if base in (set, frozenset):
            return sorted(items, key=json.dumps)
        return [value.maxlen, items] if base is deque else items

    def _other(self, value: Any, place: str) -> Form:
        """A URL of pydantic's, a class or function of a library, an array of numbers; anything else has no form."""
        if isinstance(url := getattr(value, "_url", None), Url | MultiHostUrl):
            return {f"!url {_name(type(value))}": str(url)}
        if isinstance(value, _NAMED) and _is_of_library(value):
            return {"!named": f"{value.__module__}.{value.__qualname__}"}
        if _is_array(value):
            return {"!array": [type(value).__name__, repr(value.dtype), list(value.shape), of_bytes(value.tobytes())]}
        raise Uncacheable(f"{place}: a {type(value).__name__} has no canonical form")

    def _dict(self, items: Iterable[tuple[object, object]], place: str) -> Form:
        """A dict as it is; one with keys that are no text, or that could be taken for a tag, as its pairs."""
        pairs = [[self._of(key, place), self._of(value, f"{place}[{_shown(key)}]")] for key, value in items]
        if all(isinstance(key, str) and not key.startswith("!") for key, _ in pairs):
            return dict(pairs)
        return {"!dict": pairs}


def _remembered(make: Callable[[type], Made]) -> Callable[[type], Made]:
    """The same, made once for each type, as long as there are not too many."""
    return functools.lru_cache(maxsize=512)(make)  # a type is hashable


@_remembered
def _way_for(kind: type) -> Callable[[ConfigReader, Any, str], Form]:
    """How values of a type are read. A config has few types, and is read for every step."""
    if kind in (type(None), bool):
        return ConfigReader._as_it_is
    if kind in _WITHOUT_PARTS:
        return ConfigReader._without_parts
    if dataclasses.is_dataclass(kind) and not issubclass(kind, Enum):
        return ConfigReader._dataclass
    return next((way for base, way in _WAYS if issubclass(kind, base)), ConfigReader._other)


@_remembered
def _base_of(kind: type) -> tuple[type, str]:
    """The type of Python's that a class is or comes from, and the tag of its values: none, if they hide something."""
    base = next(base for base in _BASES if issubclass(kind, base))
    if kind is base:
        return base, "" if base in (list, dict) else f"!{base.__name__}"
    hides = any(vars(part).get("__slots__") for part in kind.__mro__[: kind.__mro__.index(base)])
    return base, "" if hides else f"!{base.__name__} {_name(kind)}"


@_remembered
def _name(kind: type) -> str:
    """What a class is called, wherever its file lies."""
    return f"{_FROM_FILE.sub('', kind.__module__).lstrip('.')}.{kind.__qualname__}".lstrip(".")


def _follows(kind: type, name: str) -> bool:
    """Whether what stands under a name was computed when it was first asked for."""
    return isinstance(inspect.getattr_static(kind, name, None), functools.cached_property)


def _is_of_library(value: Any) -> bool:
    """Whether a class or function is what an installation has under its name."""
    module, qualified = str(value.__module__), value.__qualname__
    file = getattr(sys.modules.get(module), "__file__", None)
    comes = installed(file) if file else module.partition(".")[0] in sys.stdlib_module_names
    return comes and module != "__main__" and member(module, qualified) is value


def _is_array(value: Any) -> bool:
    """Whether it is an array or a scalar of numpy's that holds no objects."""
    return type(value).__module__ == "numpy" and not getattr(getattr(value, "dtype", None), "hasobject", True)


def _shown(key: object) -> str:
    return repr(key) if type(key) in (str, int) else f"a {type(key).__name__}"


def _text(value: str) -> Form:
    try:
        value.encode()
    except UnicodeEncodeError:
        return {"!str": value.encode("utf-8", "surrogatepass").hex()}
    return value


def _float(value: float) -> Form:
    return value if math.isfinite(value) else {"!float": repr(value)}


def _int(value: int) -> Form:
    return value if abs(value) < _LARGEST else {"!int": hex(value)}


def _moment(value: Any) -> Form:
    """A time of day or a moment: equal moments in two zones are two."""
    zone = value.tzinfo
    if zone is not None and type(zone) not in (dt.timezone, TzInfo, zoneinfo.ZoneInfo):
        raise Uncacheable(f"a {type(zone).__name__} has no canonical form")
    if isinstance(zone, zoneinfo.ZoneInfo):
        _zone(zone)
    zoned = [] if zone is None else [type(zone).__name__, str(zone), str(zone.utcoffset(None))]
    return {f"!{type(value).__name__}": [value.isoformat(), value.fold, *zoned]}


def _zone(value: zoneinfo.ZoneInfo) -> Form:
    if value.key is None:
        raise Uncacheable("a time zone without a name has no canonical form")
    return {"!zone": value.key}


def _worded(name: str, words: Callable[[Any], Form] = str) -> Callable[[Any], Form]:
    return lambda value: {f"!{name}": words(value)}


# Types that hold no other values, by their form.
_WITHOUT_PARTS: Mapping[type, Callable[[Any], Form]] = {
    str: _text,
    int: _int,
    float: _float,
    bytes: _worded("bytes", bytes.hex),
    bytearray: _worded("bytearray", bytearray.hex),
    complex: _worded("complex", lambda value: [repr(value.real), repr(value.imag)]),
    Decimal: _worded("decimal"),
    Fraction: _worded("fraction", lambda value: [_int(value.numerator), _int(value.denominator)]),
    uuid.UUID: _worded("uuid"),
    dt.datetime: _moment,
    dt.time: _moment,
    dt.date: _worded("date"),
    dt.timedelta: _worded("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    dt.timezone: _worded("timezone", lambda value: [str(value), str(value.utcoffset(None))]),
    zoneinfo.ZoneInfo: _zone,
    re.Pattern: _worded("pattern", lambda value: [repr(value.pattern), value.flags]),
    range: _worded("range", lambda value: [_int(value.start), _int(value.stop), _int(value.step)]),
    NameEmail: _worded("email", lambda value: [value.name, value.email]),
    **{
        kind: _worded(kind.__name__)
        for kind in (
            *(ipaddress.IPv4Address, ipaddress.IPv4Network, ipaddress.IPv4Interface),
            *(ipaddress.IPv6Address, ipaddress.IPv6Network, ipaddress.IPv6Interface),
            *(Url, MultiHostUrl),
        )
    },
}

# Types that people derive their own from, and how each is read without what theirs make of it.
_PLAINLY: Mapping[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: bytes.__bytes__,
}
_ITEMS: Mapping[type, Callable[[Any], Iterable[Any]]] = {
    kind: kind.__iter__ for kind in (list, tuple, set, frozenset, deque)
}
_BASES = (*_PLAINLY, defaultdict, dict, *_ITEMS)

# Types whose own classes people derive, and how these are read; the first that fits.
_WAYS: Sequence[tuple[type | tuple[type, ...], Callable[[ConfigReader, Any, str], Form]]] = (
    (Enum, ConfigReader._enum),
    ((SecretStr, SecretBytes, Secret), ConfigReader._secret),
    (BaseModel, ConfigReader._model),
    (PurePath, ConfigReader._path),
    (_BASES, ConfigReader._held),
)
