"""Changes: what sets the parts of one key apart from those of another, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from studio.cache.record import Parts

__all__ = ["differences"]

_TEXT = ("!path", "!str", "!url")  # tags of what is written as text


def differences(old: Parts, new: Parts) -> list[str]:
    """What is different, in words."""
    told = [
        f"{name}: {old.get(name)} -> {new.get(name)}"
        for name in ("scheme", "version")
        if old.get(name) != new.get(name)
    ]
    if old["source"] != new["source"]:
        told.append("source: the node's code changed")
    told += _field_differences("config", old["config"], new["config"])
    if old["model"] != new["model"]:
        told.append("model: other weights")
    for name in sorted(old["inputs"].keys() | new["inputs"].keys()):
        before, after = old["inputs"].get(name), new["inputs"].get(name)
        if before != after:
            told.append(f"input '{name}': {_input_difference(before, after)}")
    return told


def _input_difference(before: list[str] | None, after: list[str] | None) -> str:
    if before is None or after is None:
        return "now wired" if before is None else "no longer wired"
    renamed = len(before) == len(after) == 3 and before[:2] == after[:2]
    return f"another name: {_short(before[2])} -> {_short(after[2])}" if renamed else "other content"


def _field_differences(place: str, old: Parts, new: Parts) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        yield from _differences_at(f"{place}.{name.lstrip('!')}", old.get(name), new.get(name))


def _differences_at(place: str, before: Any, after: Any) -> Iterator[str]:
    """What is different in one form of a value: in the fields of a config inside the config, one by one."""
    if json.dumps(before) == json.dumps(after):
        return
    tags = [_tag(before), _tag(after)]
    if tags == ["!class", "!class"] or (tags == ["", ""] and list(before) == list(after)):
        yield from _field_differences(place, before, after)
    elif "!env" in tags:
        yield f"{place}: what its environment variable holds"
    elif "!secret" in tags or "!hidden" in tags:
        yield f"{place}: another secret"
    elif tags == ["!path", "!path"] and _bare(before) == _bare(after):
        yield f"{place}: the content of {_bare(after)}"
    else:
        shown = _short(_bare(before)), _short(_bare(after))
        was, now = shown if shown[0] != shown[1] else (_short(before), _short(after))
        yield f"{place}: {was} -> {now}"


def _tag(form: Any) -> str | None:
    """What says which kind of form this is; empty for a plain dict, None for what is no dict."""
    if not isinstance(form, dict):
        return None
    first = next(iter(form), "")
    return first.partition(" ")[0] if first.startswith("!") else ""


def _bare(form: Any) -> Any:
    """A form as people write it in a graph, where that is text; any other as it is."""
    if _tag(form) not in _TEXT:
        return form
    content = next(iter(form.values()))
    return content[0] if isinstance(content, list) else content


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
