"""View: how one kind of value is shown, alone and in a list; and the pieces that views share.

Values are strangers' words: all of them enter the page through `Markup.format` or `escape`, which
leave nothing of a value to be read as HTML.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from markupsafe import Markup, escape

from studio.page.views.shelf import Shelf
from studio.values import Image, Media

__all__ = ["MOST_CHARACTERS", "NOTHING", "Scene", "View", "bars", "facts", "figure", "folded", "joined", "listing"]

MOST_CHARACTERS = 100_000  # of one text on a page
MOST_ITEMS = 200  # of one list on a page
_FIRST_ITEMS = 12  # of a list, before the fold
_SHORT = 6  # characters of a label that takes little room
_LONG = 700  # characters, beyond which a text is folded
_TALL = 14  # lines, likewise

T = TypeVar("T")

NOTHING = Markup('<span class="absent">absent</span>')


@dataclass(frozen=True)
class Scene:
    """What a view may know besides its value: where media go or lie, and the pictures that stood beside it."""

    shelf: Shelf
    pictures: Callable[[], Sequence[Image]] = field(default=tuple)
    pixels: int = 1280  # of the longer side of a picture, at most
    link: Callable[[Media], str] = field(default=lambda _: "")  # the address of a file that is there already, if any


class View(ABC):
    """How one kind of value looks."""

    @abstractmethod
    def show(self, value: Any, scene: Scene) -> Markup:
        """A value, as HTML."""

    def show_list(self, values: Sequence[Any], scene: Scene) -> Markup:
        """A list of values, as HTML."""
        return listing(values, lambda value: self.show(value, scene))

    def brief(self, value: Any) -> str:
        """A value in a few words of plain text."""
        return ""


def joined(pieces: Iterable[Markup]) -> Markup:
    """Pieces of HTML as one."""
    return Markup("").join(pieces)


def listing(items: Sequence[T], show: Callable[[T], Markup]) -> Markup:
    """A numbered list: some items, more in a fold, and of a long list not all; it says so."""
    if not items:
        return Markup('<span class="absent">an empty list</span>')
    shown = _ordered(items[:_FIRST_ITEMS], show, 0)
    if tail := items[_FIRST_ITEMS:MOST_ITEMS]:
        more = Markup('<details class="more"><summary>{:,} more</summary>{}</details>')
        shown += more.format(len(tail), _ordered(tail, show, _FIRST_ITEMS))
    return shown + _left_out(len(items) - MOST_ITEMS)


def _left_out(count: int) -> Markup:
    if count <= 0:
        return Markup("")
    return Markup('<p class="note">… and {:,} more, which are not on this page.</p>').format(count)


def _ordered(items: Sequence[T], show: Callable[[T], Markup], start: int) -> Markup:
    rows = joined(
        Markup('<li value="{}">{}</li>').format(number, show(item)) for number, item in enumerate(items, start)
    )
    return Markup('<ol class="items">{}</ol>').format(rows)


def folded(text: str, css: str = "text") -> Markup:
    """Text as it is; a long one folded to its beginning, one without end cut."""
    cut = text[:MOST_CHARACTERS]
    body = Markup('<div class="{}" dir="auto">{}</div>').format(css, cut)
    if len(cut) < len(text):
        body += Markup('<p class="note">The first {:,} of {:,} characters.</p>').format(len(cut), len(text))
    if len(text) <= _LONG and text.count("\n") < _TALL:
        return body
    start = "\n".join(cut[:_LONG].rsplit(None, 1)[0].splitlines()[:_TALL])
    return Markup(
        '<details class="fold"><summary><span class="{}" dir="auto">{}</span>'
        '<span class="unfold">… all {:,} characters</span></summary>{}</details>'
    ).format(css, start, len(text), body)


def facts(*words: str) -> Markup:
    """A line of small facts."""
    return Markup('<p class="facts">{}</p>').format(" · ".join(filter(None, words)))


def figure(number: float) -> str:
    """A number for people: four digits that count."""
    if isinstance(number, int) or (number == int(number) and abs(number) < 1e15):
        return f"{int(number):,}"
    return f"{number:.4g}"


def bars(pairs: Sequence[tuple[str, float]], first: int = 20) -> Markup:
    """Labels with numbers as bars, all on one scale."""
    top = max((abs(number) for _, number in pairs), default=0) or 1.0
    short = all(len(label) <= _SHORT for label, _ in pairs)
    rows = [_bar(label, number, top) for label, number in pairs[:MOST_ITEMS]]
    shown = _bar_table(rows[:first], short)
    if rows[first:]:
        more = Markup('<details class="more"><summary>{:,} more</summary>{}</details>')
        shown += more.format(len(rows) - first, _bar_table(rows[first:], short))
    return shown + _left_out(len(pairs) - MOST_ITEMS)


def _bar_table(rows: Sequence[Markup], short: bool) -> Markup:
    return Markup('<table class="bars{}"><tbody>{}</tbody></table>').format(" short" * short, joined(rows))


def _bar(label: str, number: float, top: float) -> Markup:
    return Markup(
        '<tr><th scope="row" dir="auto">{}</th><td class="track"><span class="bar{}" style="width:{:.1f}%"></span></td>'
        '<td class="num">{}</td></tr>'
    ).format(escape(label), " minus" * (number < 0), 100 * abs(number) / top, figure(number))
