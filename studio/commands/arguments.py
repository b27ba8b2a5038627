"""Words of a command line as values: NAME=VALUE for inputs, STEP.FIELD=VALUE for settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from studio.errors import GraphError, InputError, UsageError
from studio.language.document import Document
from studio.language.plan import GraphInput
from studio.values import KINDS
from studio.values.words import text_in, value_from

__all__ = ["columns_from", "inputs_from", "setting_from"]

_NOTHING = ("", "''", '""', "~", "null", "Null", "NULL")  # what says in YAML that there is nothing


def inputs_from(words: Sequence[str], known: Mapping[str, GraphInput]) -> dict[str, Any]:
    """The inputs that words NAME=VALUE give; UsageError and InputError say which word is wrong, and why."""
    inputs: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise UsageError(f"'{word}' is not NAME=VALUE. Inputs: {', '.join(known) or 'none'}")
        try:
            _add(inputs, name, value, known.get(name))
        except (ValueError, OSError) as error:
            raise InputError(f"input '{name}': {error}") from None
    return inputs


def _add(inputs: dict[str, Any], name: str, value: str, given: GraphInput | None) -> None:
    if given is None:
        inputs[name] = value  # the run will say what inputs there are
    elif not given.type.many:
        inputs[name] = _parsed(value, given.type.kind)
    elif value.startswith("["):
        inputs.setdefault(name, []).extend(value_from(value, given.type))
    else:
        inputs.setdefault(name, []).append(_parsed(value, given.type.kind))


def columns_from(words: Sequence[str]) -> dict[str, str]:
    """The column for each input that words NAME=COLUMN name."""
    pairs = [word.partition("=") for word in words]
    for (name, _, column), word in zip(pairs, words, strict=True):
        if not name or not column:
            raise UsageError(f"'{word}' is not NAME=COLUMN: an input of the graph, and the column that feeds it")
    return {name: column for name, _, column in pairs}


def _parsed(value: str, kind: str) -> Any:
    media = KINDS[kind].from_path
    if value.startswith("@@"):
        value = value[1:]
    elif value.startswith("@"):
        value = value[1:] if media else text_in(Path(value[1:]).expanduser()).removesuffix("\n")
    return value if media else KINDS[kind].parse(value)


def setting_from(word: str) -> tuple[str, Any]:
    """What STEP.FIELD=VALUE sets, the value read as YAML reads it."""
    name, sign, value = word.partition("=")
    if not sign or "." not in name:
        raise UsageError(f"'{word}' is not STEP.FIELD=VALUE")
    try:
        read = Document.read(value or "''", word)
    except GraphError:
        return name, value
    empty = read.data in ("", None) and value.strip() not in _NOTHING  # "!", "&a" and "#fff" are marks of YAML's own
    return name, value if read.problems or empty else read.data
