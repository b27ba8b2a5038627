"""Prompt: a Jinja2 template in a sandbox, checked when the graph is. It knows no node."""

from __future__ import annotations

import functools
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
            return _sandbox().from_string(self).render(**values)
        except (jinja2.TemplateError, OverflowError, TypeError, ZeroDivisionError) as error:
            raise ValueError(f"the template cannot be filled in: {error}") from None


@functools.cache
def _sandbox() -> SandboxedEnvironment:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        """Jinja2's sandbox, and no operation that would fill the memory."""

        intercepted_binops = frozenset(("*", "**"))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "**" and not (abs(left) < 1e6 and abs(right) < 64):
                raise jinja2.TemplateRuntimeError("a power this large is not allowed in a template")
            if operator == "*" and _repeats(left, right) > _MAX_TEXT:
                raise jinja2.TemplateRuntimeError("a repetition this long is not allowed in a template")
            return super().call_binop(context, operator, left, right)

    return Sandbox(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)


def _repeats(left: Any, right: Any) -> int:
    """How long the sequence is that `left * right` makes; 0 for plain numbers."""
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, str | list | tuple | bytes) and isinstance(times, int):
            return len(sequence) * times
    return 0
