"""Constants: what a step says under `with:`: settings of its node's config, and values for ports."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from studio.errors import did_you_mean
from studio.language.plan import filled, variables_in
from studio.language.step_entry import StepEntry
from studio.node.node import Port
from studio.node.prompt import Prompt
from studio.values import KINDS

__all__ = ["check_prompts", "port_constants", "settings"]


def settings(entry: StepEntry) -> dict[str, Any]:
    """The entries of `with:` that are config, as they are written; what the config refuses is told."""
    found = {key: value for key, value in entry.spec.with_.items() if key in entry.settings}
    if entry.node is not None:
        try:
            entry.node.Config.model_validate(filled(found, entry.id, check=True))
        except ValidationError as error:
            for item in error.errors():
                _tell_refused(entry, item, found)
    return found


def port_constants(entry: StepEntry) -> dict[str, object]:
    """The entries of `with:` that are values for ports; what fits no port is told."""
    found: dict[str, object] = {}
    for key, raw in entry.spec.with_.items():
        if key in entry.settings:
            continue
        port = entry.signature.inputs.get(key)
        if port is None:
            _tell_unknown(entry, key)
        elif key in entry.spec.in_:
            entry.tell(("with", key), f"port '{key}' has both a wire and a constant", key=True)
        else:
            found[key] = raw
            _check_value(entry, raw, port)
    return found


def check_prompts(entry: StepEntry, written: Mapping[str, Any], given: Collection[str]) -> None:
    """In a node that takes wires of any name, a prompt asks for no name that is not wired."""
    if entry.signature.free is None:
        return
    for field, prompt in _prompts(entry, written):
        for unknown in sorted(prompt.names - set(given)):
            hint = did_you_mean(unknown, given) or f"Wired are: {', '.join(sorted(given)) or 'none'}."
            entry.tell(("with", field), f"'{field}' asks for '{unknown}', which is not wired", hint)


def _prompts(entry: StepEntry, written: Mapping[str, Any]) -> Iterator[tuple[str, Prompt]]:
    """The prompts among the settings, by their fields; one that cannot be read is told by the config itself."""
    for field, info in entry.node.Config.model_fields.items() if entry.node else ():
        if info.annotation is Prompt and isinstance(written.get(field), str):
            try:
                yield field, Prompt.parsed(written[field])
            except ValueError:
                continue


def _tell_unknown(entry: StepEntry, key: str) -> None:
    name, known = entry.signature.name, list(entry.signature.inputs)
    if entry.node is None:
        hint = did_you_mean(key, known) or f"It has: {', '.join(known) or 'none'}."
        entry.tell(("with", key), f"the graph {name} has no input '{key}'", hint, key=True)
        return
    shown = f"{name} has: {', '.join(entry.settings)}." if entry.settings else f"{name} has no settings."
    hint = did_you_mean(key, [*entry.settings, *known]) or shown
    entry.tell(("with", key), f"{name} has no setting '{key}'", hint, key=True)


def _check_value(entry: StepEntry, raw: object, port: Port) -> None:
    """Values of plain types are checked now; a path of media is opened when a run needs it."""
    type_ = port.type.listed() if port.name in entry.spec.each else port.type
    path = ("with", port.name)
    if type_.many and not isinstance(raw, list):
        entry.tell(path, f"port '{port.name}' takes {type_}, not a single {type(raw).__name__}")
    elif KINDS[type_.kind].plain and (raw is not None or not type_.optional):
        try:
            for item in type_.leaves(raw):
                KINDS[type_.kind].coerce(item)
        except (ValueError, OSError) as error:
            entry.tell(path, f"port '{port.name}': {error}")


def _tell_refused(entry: StepEntry, item: Any, written: Mapping[str, Any]) -> None:
    """One of pydantic's errors about the config.

    A setting with `${env:…}` is never shown: its value may be secret. It is not even judged while a
    variable is unset: the graph is checked on one machine and may run on another, which has it.
    """
    loc = item["loc"]
    key = str(loc[0]) if loc else ""
    if any(variables_in(written.get(key))):
        if item["type"] == "missing" or all(os.environ.get(name) for name in variables_in(written[key])):
            entry.tell(("with", key), f"'{key}' does not accept what the environment holds")
        return
    name = ".".join(str(part) for part in loc)
    if item["type"] == "missing":
        entry.tell((), f"the setting '{name}' is required", key=True)
        return
    message = item["msg"].removeprefix("Value error, ")
    shown = repr(item["input"])[:60]
    entry.tell(("with", *loc), f"'{name}': {message[0].lower()}{message[1:]}, not {shown}")
