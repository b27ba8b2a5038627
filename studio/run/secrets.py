"""Secrets: the values of the environment variables that steps name, kept out of every text that is told."""

from __future__ import annotations

import os
from functools import cached_property

from studio.language.plan import Plan

__all__ = ["Secrets"]

_SHORTEST = 4  # letters; what is shorter stands in many texts by chance


class Secrets:
    """Those of a plan, read when a text is first to be cleaned of them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def clean(self, text: str) -> str:
        """Text without the secrets that a node may have put into it."""
        for secret in self._values if text else ():
            text = text.replace(secret, "***")
        return text

    @cached_property
    def _values(self) -> set[str]:
        named = {name for step in self._plan.steps.values() for names in step.variables.values() for name in names}
        return {value for name in named if len(value := os.environ.get(name, "")) >= _SHORTEST}
