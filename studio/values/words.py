"""Words: a word that a person typed (on a command line, in a CSV file) as a value of a type."""

from __future__ import annotations

import json
from typing import Any

from studio.values import KINDS, PortType

__all__ = ["value_from"]


def value_from(word: str, type_: PortType) -> Any:
    """The value of a type that one word stands for: lists as JSON, media by their path; ValueError if it is none."""
    if type_.many:
        return json.loads(word) if word.startswith("[") else [value_from(word, type_.item())]
    return word if KINDS[type_.kind].from_path else KINDS[type_.kind].parse(word)
