"""Prompt: a Jinja2 template in a sandbox, checked when the graph is. It knows no node."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

__all__ = ["Prompt"]

_MAX_TEXT = 1_000_000  # characters that one operation in a template may make


class Prompt(str):
    """Text with `{{ names }}` to fill in, in Jinja2's language, without access to Python's insides."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(cls.parsed, core_schema.str_schema())

    @classmethod
    def parsed(cls, text: str) -> Prompt:
        """The text as a template; ValueError says where it is none."""
        import jinja2

        try:
            _sandbox().parse(text)
        except jinja2.TemplateSyntaxError as error:
            raise ValueError(f"not a template: {error.message} (line {error.lineno} of it)") from None
        return cls(text)

    @property
    def names(self) -> set[str]:
        """The names that the template asks for."""
        from jinja2 import meta

        return meta.find_undeclared_variables(_sandbox().parse(self))

    def render(self, **values: object) -> str:
        """The text with the values filled in; ValueError says what is wrong with them."""
        import jinja2

        try:
            return "".join(_at_most(_MAX_TEXT, _sandbox().from_string(self).generate(**values)))
        except (jinja2.TemplateError, OverflowError, RecursionError, TypeError, ZeroDivisionError) as error:
            raise ValueError(f"the template cannot be filled in: {error}") from None


def _at_most(length: int, pieces: Iterator[str]) -> Iterator[str]:
    """The pieces, as long as they stay within bounds together (what was given does not count as made)."""
    import jinja2

    made = 0
    for piece in pieces:
        made += min(len(piece), 1000)
        if made > length:
            raise jinja2.TemplateRuntimeError("it writes text without end")
        yield piece


@functools.cache
def _sandbox() -> SandboxedEnvironment:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        """Jinja2's sandbox, and no operation that would fill the memory."""

        intercepted_binops = frozenset(("*", "**", "%"))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "**" and not (abs(left) < 1e6 and abs(right) < 64):
                raise jinja2.TemplateRuntimeError("a power this large is not allowed in a template")
            if operator == "*" and _repeats(left, right) > _MAX_TEXT:
                raise jinja2.TemplateRuntimeError("a repetition this long is not allowed in a template")
            if operator == "%" and isinstance(left, str):
                _refuse_wide(left)
            return super().call_binop(context, operator, left, right)

        def wrap_str_format(self, value: Any) -> Any:
            _refuse_wide(getattr(value, "__self__", ""))
            return super().wrap_str_format(value)

        def call(*arguments: Any, **named: Any) -> Any:
            self, context, function, *given = arguments
            if isinstance(getattr(function, "__self__", None), str):
                for value in (*given, *named.values(), function.__self__):
                    _refuse_wide(value)
            return ImmutableSandboxedEnvironment.call(self, context, function, *given, **named)

    sandbox = Sandbox(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    for name in ("center", "format", "indent", "wordwrap"):
        sandbox.filters[name] = _bounded(sandbox.filters[name])
    return sandbox


def _bounded(filter_: Callable[..., str]) -> Callable[..., str]:
    """A filter that makes no text wider than is sensible."""

    @functools.wraps(filter_)
    def bounded(*given: Any, **named: Any) -> str:
        for value in (*given, *named.values()):
            _refuse_wide(value)
        return filter_(*given, **named)

    return bounded


def _refuse_wide(value: Any) -> None:
    """Refuses a width, or a format with one, that would fill the memory."""
    import jinja2

    wide = isinstance(value, int) and value > _MAX_TEXT
    if wide or (isinstance(value, str) and re.search(r"[%{][^%{}]*\d{7}", value)):
        raise jinja2.TemplateRuntimeError("text this wide is not allowed in a template")


def _repeats(left: Any, right: Any) -> int:
    """How long the sequence is that `left * right` makes; 0 for plain numbers."""
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, str | list | tuple | bytes) and isinstance(times, int):
            return len(sequence) * times
    return 0
