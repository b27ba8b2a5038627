"""Condition: a comparison over wires, as `when:` holds it. Parsed against a whitelist, never evaluated as code.

It has Python's form: `hear.language != to`, `len(find.boxes) > 0 and not quiet`. What is absent is
`null`; of media, only whether they are there can be asked.

It is typed when the graph is checked, before anything runs: a comparison that never holds would not
fail, but quietly skip its step for every item, and one that cannot be made would fail hours later.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

from studio.values import PortType

__all__ = ["Condition"]

_WORDS = {"true": True, "false": False, "null": None}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, whole: whole is not None and item in whole,
    ast.NotIn: lambda item, whole: whole is None or item not in whole,
}
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_LONG = 1000  # characters
_KNOWS = "It may hold wires, constants, ==, !=, <, <=, >, >=, in, not in, and, or, not, len(…)."
_NULL, _ANY, _NUMBER, _BOOL, _TEXT = (
    PortType("null"),
    PortType("data"),
    PortType("number"),
    PortType("bool"),
    PortType("text"),
)


class Condition:
    """A parsed condition; `refs` are the wires that it reads."""

    def __init__(self, text: str) -> None:
        """ValueError says why the text is no condition."""
        self.text = text
        if len(text) > _LONG:
            raise ValueError(f"it is longer than {_LONG} characters")
        try:
            self._body = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"it cannot be read. {_KNOWS}") from None
        self.refs: tuple[str, ...] = tuple(dict.fromkeys(_refs(self._body)))

    def problems(self, types: Mapping[str, PortType]) -> Iterator[str]:
        """What is wrong with it, given the types of its wires (those not known count as anything)."""
        yield from _truth(self._body, types)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it holds for these values of its wires; ValueError where they cannot be compared."""
        try:
            return bool(_value(self._body, values))
        except TypeError as error:
            raise ValueError(f"'{self.text}' cannot be decided: {error}") from None

    def __str__(self) -> str:
        return self.text


def _refs(node: ast.expr) -> Iterator[str]:
    """The wires below a node; ValueError at the first thing that a condition may not hold."""
    match node:
        case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                yield from _refs(part)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield from _refs(operand)
        case ast.Compare(left=left, ops=ops, comparators=rest) if all(type(op) in _COMPARE for op in ops):
            for part in (left, *rest):
                yield from _refs(part)
        case ast.Call(func=ast.Name(id="len"), args=[whole], keywords=[]):
            yield from _refs(whole)
        case ast.Constant(value=str() | int() | float() | bool() | None):
            pass
        case ast.Name(id=name):
            if name not in _WORDS:
                yield name
        case ast.Attribute(value=ast.Name(id=step), attr=port):
            yield f"{step}.{port}"
        case _:
            raise ValueError(f"'{ast.unparse(node)}' is not allowed in it. {_KNOWS}")


def _truth(node: ast.expr, types: Mapping[str, PortType]) -> Iterator[str]:
    """What is wrong below a node that is to be true or false."""
    found = yield from _typed(node, types)
    if found is not None and _is_media(found):
        yield f"{found} is neither true nor false; ask whether it is there: '!= null'"


def _typed(node: ast.expr, types: Mapping[str, PortType]) -> Generator[str, None, PortType | None]:
    """Yields what is wrong below a node; returns its type, or None where it cannot be told."""
    match node:
        case ast.Constant(value=value):
            return _type_of(value)
        case ast.Name() | ast.Attribute():
            name = ast.unparse(node)
            return _type_of(_WORDS[name]) if name in _WORDS else types.get(name)
        case ast.Call(args=[whole]):
            found = yield from _typed(whole, types)
            if found is not None and not _has_length(found):
                yield f"{found} has no length"
            return _NUMBER
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            found = yield from _typed(operand, types)
            if found is not None and found.kind not in ("number", "data"):
                yield f"'-' wants a number, not {found}"
            return _NUMBER
        case ast.BoolOp(values=parts):
            for part in parts:
                yield from _truth(part, types)
            return _BOOL
        case ast.UnaryOp(operand=operand):
            yield from _truth(operand, types)
            return _BOOL
        case ast.Compare(left=left, ops=ops, comparators=rest):
            before = yield from _typed(left, types)
            for op, part in zip(ops, rest, strict=True):
                after = yield from _typed(part, types)
                if before is not None and after is not None:
                    yield from _compared(type(op), before, after)
                before = after
            return _BOOL
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            kinds: list[PortType | None] = []
            for part in parts:
                kinds += [(yield from _typed(part, types))]
            same = kinds and all(kind == kinds[0] for kind in kinds)
            return kinds[0].listed() if same and kinds[0] else None
    return None


def _compared(op: type[ast.cmpop], left: PortType, right: PortType) -> Iterator[str]:
    """What is wrong with comparing two types."""
    if op in (ast.In, ast.NotIn):
        fits = (
            right.kind == "data"
            or (right.alike(_TEXT) and left.kind == "text")
            or right.alike(left.listed())
            or (right.holed and left == _NULL)
        )
        if not fits:
            yield f"{left} cannot be in {right}"
        return
    if op in (ast.Eq, ast.NotEq) and _NULL in (left, right):
        return
    media = next((each for each in (left, right) if _is_media(each)), None)
    if media is not None:
        yield f"{media} cannot be compared; ask whether it is there: '!= null'"
    elif "data" not in (left.kind, right.kind) and not left.alike(right):
        yield (
            f"{left} and {right} are never equal" if op in (ast.Eq, ast.NotEq) else f"{left} and {right} have no order"
        )
    elif op in _ORDER and left.kind not in ("number", "text", "data"):
        yield f"{left} has no order"


def _type_of(value: object) -> PortType:
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return _BOOL
    return _TEXT if isinstance(value, str) else _NUMBER


def _is_media(type_: PortType) -> bool:
    return type_.kind not in ("text", "number", "bool", "data", "null") and not type_.many


def _has_length(type_: PortType) -> bool:
    return type_.many or type_.kind in ("text", "data", "boxes", "segments", "null")


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name() | ast.Attribute():
            name = ast.unparse(node)
            return _WORDS[name] if name in _WORDS else values[name]
        case ast.Call(args=[whole]):
            found = _value(whole, values)
            return 0 if found is None else len(found)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values)
        case ast.UnaryOp(operand=operand):
            return not _value(operand, values)
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, values) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_value(part, values) for part in parts)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_value(part, values) for part in parts]
        case ast.Compare(left=left, ops=ops, comparators=rest):
            return _chain(left, ops, rest, values)
    raise ValueError(f"'{ast.unparse(node)}' is not allowed in a condition")


def _chain(left: ast.expr, ops: list[ast.cmpop], rest: list[ast.expr], values: Mapping[str, Any]) -> bool:
    before = _value(left, values)
    for op, part in zip(ops, rest, strict=True):
        after = _value(part, values)
        if isinstance(op, _ORDER) and (before is None or after is None):
            return False  # what is absent is neither more nor less
        if not _same_or_ordered(op, before, after):
            return False
        before = after
    return True


def _same_or_ordered(op: ast.cmpop, before: Any, after: Any) -> bool:
    if isinstance(op, ast.Eq | ast.NotEq) and isinstance(before, bool) != isinstance(after, bool):
        return isinstance(op, ast.NotEq)  # true is not 1
    return _COMPARE[type(op)](before, after)
