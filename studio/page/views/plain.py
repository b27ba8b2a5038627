"""Text, numbers, flags and data: scores in data as bars, rows as a table, all else as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

from studio.page.views.base import Scene, View, bars, figure, folded, joined

__all__ = ["BoolView", "DataView", "NumberView", "TextView"]

_SCORES = ("score", "probability", "confidence", "similarity", "distance")
_LABELS = ("text", "label", "name", "answer", "caption", "title", "id")
_MOST_COLUMNS = 8
_MOST_ROWS = 200


class TextView(View):
    """A text: all of it, a long one folded."""

    def show(self, value: Any, scene: Scene) -> Markup:
        return folded(value) if value else Markup('<span class="absent">empty text</span>')

    def brief(self, value: Any) -> str:
        flat = " ".join(value.split())
        return flat if len(flat) <= 80 else flat[:79] + "…"


class NumberView(View):
    """A number; several as bars."""

    def show(self, value: Any, scene: Scene) -> Markup:
        return Markup('<span class="number" title="{!r}">{}</span>').format(value, figure(value))

    def show_list(self, values: Sequence[Any], scene: Scene) -> Markup:
        return _numbers(values) if values else super().show_list(values, scene)

    def brief(self, value: Any) -> str:
        return figure(value)


class BoolView(View):
    """A flag."""

    def show(self, value: Any, scene: Scene) -> Markup:
        return Markup('<span class="flag">{}</span>').format(self.brief(value))

    def brief(self, value: Any) -> str:
        return "true" if value else "false"


class DataView(View):
    """Data: what can be seen at a glance, and the JSON."""

    def show(self, value: Any, scene: Scene) -> Markup:
        text = json.dumps(value, ensure_ascii=False, indent=2)
        pretty = folded(text, "json")
        glance = _glance(value)
        if not glance:
            return pretty
        return glance + Markup('<details class="more"><summary>JSON</summary>{}</details>').format(pretty)

    def brief(self, value: Any) -> str:
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= 80 else text[:79] + "…"


def _numbers(values: Sequence[Any]) -> Markup:
    return bars([(str(index), value) for index, value in enumerate(values)])


def _glance(value: Any) -> Markup | None:
    """Scores as bars, rows as a table; None of what is neither."""
    if isinstance(value, dict) and value and all(map(_is_number, value.values())):
        return bars(list(value.items()))
    if not isinstance(value, list) or not value:
        return None
    if all(map(_is_number, value)):
        return _numbers(value)
    if all(isinstance(item, dict) for item in value):
        return _scored(value) or _table(value)
    return None


def _scored(rows: list[dict[str, Any]]) -> Markup | None:
    """Rows of a label and a score, and nothing else that counts."""
    label = next((name for name in _LABELS if all(isinstance(row.get(name), str) for row in rows)), None)
    score = next((name for name in _SCORES if all(_is_number(row.get(name)) for row in rows)), None)
    if label is None or score is None:
        return None
    return bars([(row[label], row[score]) for row in rows])


def _table(rows: list[dict[str, Any]]) -> Markup | None:
    columns = list(rows[0])
    flat = all(list(row) == columns and not any(isinstance(cell, dict | list) for cell in row.values()) for row in rows)
    if not flat or not 1 < len(columns) <= _MOST_COLUMNS or len(rows) > _MOST_ROWS:
        return None
    head = joined(Markup('<th scope="col">{}</th>').format(name) for name in columns)
    body = joined(Markup("<tr>{}</tr>").format(joined(map(_cell, row.values()))) for row in rows)
    return Markup(
        '<div class="wide"><table class="rows"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(head, body)


def _cell(cell: Any) -> Markup:
    if _is_number(cell):
        return Markup('<td class="num">{}</td>').format(figure(cell))
    return Markup('<td dir="auto">{}</td>').format(escape(cell if isinstance(cell, str) else json.dumps(cell)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
