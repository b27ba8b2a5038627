"""Boxes, drawn over the picture they were found in; and segments, as a table with times."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from studio.page.views.base import MOST_ITEMS, Scene, View, facts, figure, joined
from studio.page.views.media import preview
from studio.values import Boxes, Image, Segments

__all__ = ["BoxesView", "SegmentsView"]

_FIRST_ROWS = 30
_MOST_ROWS = 1000
_HUES = (212, 24, 150, 280, 340, 50, 188, 100)  # of labels, told apart


class BoxesView(View):
    """Detections: on the picture that the step read, if there is one, and in a table."""

    def show(self, value: Any, scene: Scene) -> Markup:
        pictures = scene.pictures()
        return _boxes(value, pictures[0] if len(pictures) == 1 else None, scene)  # of several, which one is not said

    def show_list(self, values: Sequence[Any], scene: Scene) -> Markup:
        pictures = scene.pictures()
        if len(pictures) != len(values) or not values:
            return super().show_list(values, scene)
        pairs = zip(values[:MOST_ITEMS], pictures, strict=False)
        frames = [_frame(number, boxes, image, scene) for number, (boxes, image) in enumerate(pairs)]
        return Markup('<div class="strip" tabindex="0" role="group" aria-label="boxes">{}</div>{}').format(
            joined(frames), facts(f"boxes on {len(values):,} pictures", _not_all(len(values), MOST_ITEMS))
        )

    def brief(self, value: Any) -> str:
        return f"{len(value)} boxes" if len(value) != 1 else "1 box"


class SegmentsView(View):
    """Timed pieces of speech: a table."""

    def show(self, value: Any, scene: Scene) -> Markup:
        segments: Segments = value
        if not segments:
            return Markup('<span class="absent">no segments</span>')
        extra = _extra_columns(list(segments))
        rows = [_segment(mark, extra) for mark in list(segments)[:_MOST_ROWS]]
        shown = _segment_table(rows[:_FIRST_ROWS], extra)
        if rows[_FIRST_ROWS:]:
            shown += Markup('<details class="more"><summary>{:,} more</summary>{}</details>').format(
                len(rows) - _FIRST_ROWS, _segment_table(rows[_FIRST_ROWS:], extra)
            )
        return shown + facts(self.brief(segments), _not_all(len(segments), _MOST_ROWS))

    def brief(self, value: Any) -> str:
        count = f"{len(value)} segments" if len(value) != 1 else "1 segment"
        return f"{count}, to {_clock(value[len(value) - 1]['end'])}" if len(value) else count


def _boxes(boxes: Boxes, image: Image | None, scene: Scene) -> Markup:
    if not boxes:
        return Markup('<span class="absent">no boxes</span>')
    rows = joined(map(_row, list(boxes)[:_MOST_ROWS]))
    table = Markup(
        '<div class="wide"><table class="rows"><thead><tr><th scope="col">label</th><th scope="col">score</th>'
        '<th scope="col">left, top, right, bottom</th></tr></thead><tbody>{}</tbody></table></div>'
    ).format(rows)
    if len(boxes) > _FIRST_ROWS:
        table = Markup('<details class="more"><summary>{:,} boxes</summary>{}</details>').format(len(boxes), table)
    overlay = Markup("") if image is None else _overlay(boxes, image, scene)
    return Markup('<div class="boxes">{}{}</div>{}').format(overlay, table, _not_all_note(len(boxes)))


def _frame(number: int, boxes: Boxes, image: Image, scene: Scene) -> Markup:
    """One of several pictures, with its boxes."""
    found = Counter(boxes.labels)
    told = ", ".join(f"{count} {label}" if count > 1 else label for label, count in found.most_common(4))
    return Markup("<figure>{}<figcaption>{} · {}</figcaption></figure>").format(
        _overlay(boxes, image, scene), number, told or "no boxes"
    )


def _overlay(boxes: Boxes, image: Image, scene: Scene) -> Markup:
    url, _ = preview(image, scene.shelf, scene.pixels)
    width, height = image.size
    scale = max(width, height) / 100  # so that lines and letters look the same on any picture
    drawn = joined(_drawn(mark, scale, (width, height)) for mark in list(boxes)[:_MOST_ROWS])
    return Markup(
        '<svg class="overlay" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" '
        'aria-label="{2} boxes on a picture: {3}">'
        '<image href="{4}" width="{0}" height="{1}"/>{5}</svg>'
    ).format(width, height, len(boxes), ", ".join(dict.fromkeys(boxes.labels[:20])), url, drawn)


def _drawn(mark: dict[str, Any], scale: float, size: tuple[int, int]) -> Markup:
    left, top, right, bottom = mark["box"]
    text = f"{mark['label']} {mark['score']:.2f}"
    below = top < 4.4 * scale  # no room above: the label goes inside
    y = top if below else top - 4.2 * scale
    wide = (len(text) * 1.75 + 1.6) * scale
    x = max(0.0, min(left, size[0] - wide))
    return Markup(
        '<g style="--hue:{}"><title>{}</title>'
        '<rect class="box" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" stroke-width="{:.2f}"/>'
        '<rect class="tag" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
        '<text x="{:.1f}" y="{:.1f}" font-size="{:.2f}">{}</text></g>'
    ).format(
        _hue(mark["label"]), text,
        left, top, right - left, bottom - top, 0.6 * scale,
        x, y, wide, 4.2 * scale,
        x + 0.8 * scale, y + 3.1 * scale, 3 * scale, text,
    )  # fmt: skip


def _row(mark: dict[str, Any]) -> Markup:
    place = ", ".join(figure(round(edge, 1)) for edge in mark["box"])
    return Markup(
        '<tr><td><span class="dot" style="--hue:{}"></span>{}</td><td class="num">{}</td><td class="num">{}</td></tr>'
    ).format(_hue(mark["label"]), mark["label"], figure(mark["score"]), place)


def _hue(label: str) -> int:
    return _HUES[zlib.crc32(label.encode()) % len(_HUES)]


def _extra_columns(marks: list[dict[str, Any]]) -> list[str]:
    """Further keys whose values are small everywhere."""
    names = dict.fromkeys(name for mark in marks for name in mark if name not in ("start", "end", "text"))
    return [name for name in names if not any(isinstance(mark.get(name), dict | list) for mark in marks)][:4]


def _segment(mark: dict[str, Any], extra: list[str]) -> Markup:
    cells = joined(Markup('<td dir="auto">{}</td>').format(_short(mark.get(name))) for name in extra)
    return Markup('<tr><td class="num">{}</td><td class="num">{}</td><td dir="auto">{}</td>{}</tr>').format(
        _clock(mark["start"]), _clock(mark["end"]), mark["text"].strip(), cells
    )


def _segment_table(rows: list[Markup], extra: list[str]) -> Markup:
    head = joined(Markup('<th scope="col">{}</th>').format(name) for name in ("from", "to", "text", *extra))
    return Markup(
        '<div class="wide"><table class="rows"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(head, joined(rows))


def _short(value: Any) -> str:
    return "" if value is None else figure(value) if isinstance(value, float) else str(value)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:05.2f}"


def _not_all(count: int, most: int) -> str:
    return f"the first {most:,} of {count:,}" if count > most else ""


def _not_all_note(count: int) -> Markup:
    told = _not_all(count, _MOST_ROWS)
    return facts(told) if told else Markup("")
