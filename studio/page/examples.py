"""Examples: rows of the results of a data set as HTML: each value as its kind looks, cut to what a glance takes in.

Pictures stand in the page, made small; sound, films and files stay where they are, and are linked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from studio.dataset.examples import Example
from studio.language.plan import Plan
from studio.page.views import NOTHING, VIEWS, Scene, Shelf, listing
from studio.units import show_bytes
from studio.values import KINDS, Image, Media, PortType

__all__ = ["Examples", "Sample", "Shown", "cut"]

_ROOM = 1500  # characters of a value; what is longer is cut
_TEXT = 600  # of a text, which takes more room
_MOST_MEDIA = 6  # of a list
_MOST_BYTES = 8 << 20  # of a file that is opened for its looks; a larger one is only linked
_PIXELS = 480  # of the longer side of a picture


@dataclass(frozen=True)
class Shown:
    """A named value of an item."""

    name: str
    type: str
    html: Markup
    cut: bool = False


@dataclass(frozen=True)
class Sample:
    """An item as it is shown."""

    id: str
    seconds: float
    error: str
    given: list[Shown]
    outputs: list[Shown]


class Examples:
    """Shows items of one plan; `folder` is where their results and the page lie."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._inputs = {name: given.type for name, given in plan.inputs.items()}
        self._outputs = plan.output_types
        self._folder = folder
        self._shelf = Shelf()
        self._linked: dict[int, tuple[object, str]] = {}  # values whose files have an address, by their identity

    def show(self, example: Example) -> Sample:
        """An item that is done, or one that failed."""
        self._linked.clear()
        row = example.row
        made = {name: data for name, data in row["outputs"].items() if name in self._outputs}
        over = any(self._outputs[name].kind == "boxes" and data for name, data in made.items())  # on what was given
        pictures = self._pictures(example.given)
        scene = Scene(self._shelf, lambda: pictures, _PIXELS, self._link)
        kept = {name: raw for name, raw in example.given.items() if not (over and pictures and self._is_image(name))}
        return Sample(
            id=str(row["id"]),
            seconds=float(row["seconds"]),
            error=cut(str(row["error"] or ""), _ROOM),
            given=[self._shown(name, self._inputs[name], raw, scene) for name, raw in kept.items()],
            outputs=[
                self._shown(name, self._outputs[name], made[name], scene)
                for name in sorted(
                    made, key=lambda name: self._outputs[name].kind != "boxes"
                )  # the picture comes first
            ],
        )

    def outputs(self, made: Mapping[str, Any]) -> list[Shown]:
        """What was made of all items together."""
        scene = Scene(self._shelf, pixels=_PIXELS, link=self._link)
        return [self._shown(name, self._outputs[name], data, scene) for name, data in made.items()]

    def _is_image(self, name: str) -> bool:
        return self._inputs[name].kind == "image"

    def _pictures(self, given: Mapping[str, object]) -> list[Image]:
        found = []
        for name, raw in given.items():
            if self._is_image(name) and not self._inputs[name].many:
                try:
                    found.append(self._value("image", raw))
                except Exception:  # noqa: S112 it is not at hand: then boxes stand in a table
                    continue
        return found

    def _shown(self, name: str, type_: PortType, data: Any, scene: Scene) -> Shown:
        """A value; what cannot be shown says why, whatever that is: an old run tells of files that are gone."""
        try:
            kept = _shortened(type_, data)
            return Shown(name, str(type_), self._html(type_, kept, scene), kept is not data and kept != data)
        except Exception as error:
            why = cut(str(error), 300)
            return Shown(name, str(type_), Markup('<p class="note">This cannot be shown: {}</p>').format(why))

    def _html(self, type_: PortType, data: Any, scene: Scene) -> Markup:
        if data is None:
            return NOTHING
        if type_.depth > 1:
            return listing(data, lambda item: self._html(type_.item(), item, scene))
        if type_.many and None in data:
            return listing(data, lambda item: self._html(type_.item(), item, scene))
        view, each = VIEWS[type_.kind], data if type_.many else [data]
        if any(self._is_heavy(type_.kind, item) for item in each):
            return Markup("").join(self._address(type_.kind, item) for item in each)
        values = [self._value(type_.kind, item) for item in each]
        return view.show_list(values, scene) if type_.many else view.show(values[0], scene)

    def _value(self, kind: str, data: Any) -> Any:
        """A value from what stands in a row, or from what the graph was given."""
        path = self._path(kind, data)
        if path is None:
            return KINDS[kind].coerce(data)
        value = KINDS[kind].coerce(path)
        self._linked[id(value)] = value, self._url(path)
        return value

    def _path(self, kind: str, data: Any) -> Path | None:
        """The file of a medium, if it has one."""
        if KINDS[kind].plain or not isinstance(data, Mapping | str | Path):
            return None
        path = self._folder / str(data["path"]) if isinstance(data, Mapping) else Path(data).expanduser()
        if not path.is_file():
            raise ValueError(f"'{path.name}' is not where it was")
        return path

    def _is_heavy(self, kind: str, data: Any) -> bool:
        path = None if KINDS[kind].by_path else self._path(kind, data)
        return path is not None and path.stat().st_size > _MOST_BYTES

    def _address(self, kind: str, data: Any) -> Markup:
        """A heavy medium, by its address."""
        path = self._path(kind, data) if data is not None else None
        if path is None:
            return NOTHING
        url, size = self._url(path), show_bytes(path.stat().st_size)
        if kind == "audio":
            return Markup(
                '<audio controls preload="none" src="{}" aria-label="sound"></audio><p class="facts">{}</p>'
            ).format(url, size)
        return Markup('<a class="button" href="{}">{}</a><p class="facts">{}</p>').format(url, path.name, size)

    def _link(self, value: Media) -> str:
        return self._linked[id(value)][1] if id(value) in self._linked else ""

    def _url(self, path: Path) -> str:
        """The address of a file from the page."""
        return quote(os.path.relpath(path.absolute(), self._folder.absolute()).encode("utf-8", "surrogateescape"))


def _shortened(type_: PortType, data: Any) -> Any:
    if not KINDS[type_.kind].plain:
        return data[:_MOST_MEDIA] if type_.many and data is not None else data
    return cut(data, _TEXT if isinstance(data, str) else _ROOM)


def cut(data: Any, room: int) -> Any:
    """Plain data, without what goes beyond so many characters; the parts of lists and objects stay whole."""
    if isinstance(data, str):
        return data if len(data) <= room else data[:room] + " …"
    if isinstance(data, list | tuple):
        return [part for _, part in _that_fit(enumerate(data), room)]
    return dict(_that_fit(data.items(), room)) if isinstance(data, dict) else data


def _that_fit(parts: Any, room: int) -> Sequence[tuple[Any, Any]]:
    kept: list[tuple[Any, Any]] = []
    for name, part in parts:
        size = len(str(name)) + len(json.dumps(part, ensure_ascii=False, default=str))
        if size > room:
            return kept or [(name, cut(part, room))]
        kept.append((name, part))
        room -= size
    return kept
