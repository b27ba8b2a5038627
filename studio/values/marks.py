"""Segments and Boxes: marks on a sound and on a picture. Small, immutable, JSON at rest."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from studio.values.base import JsonKind, existing, to_json
from studio.values.plain import DataKind, once_each
from studio.values.subtitles import Cue, srt, vtt

__all__ = ["Boxes", "BoxesKind", "Segments", "SegmentsKind"]


_MORE = DataKind()  # what a mark may hold beside what it must


class _Marks:
    """A frozen sequence of small dicts, each checked when it is made."""

    def __init__(self, marks: Iterable[Mapping[str, Any]] = ()) -> None:
        self._marks = tuple(self._checked(mark) for mark in marks)

    @classmethod
    def _checked(cls, mark: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(mark) for mark in self._marks)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return dict(self._marks[index])

    def __len__(self) -> int:
        return len(self._marks)

    def __eq__(self, other: object) -> bool:
        return self._marks == other._marks if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), len(self._marks)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r})"

    def save(self, path: str | Path) -> Path:
        """Writes JSON."""
        path = Path(path)
        path.write_bytes(to_json(list(self)))
        return path


class Segments(_Marks):
    """Timed pieces of speech: dicts of `start` and `end` in seconds, `text`, and whatever else is plain data."""

    @classmethod
    def _checked(cls, mark: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(mark, Mapping) or not {"start", "end", "text"} <= set(mark):
            raise ValueError(f"a segment has start, end and text, not {mark!r}")
        start, end = _float(mark["start"], "start"), _float(mark["end"], "end")
        if not 0 <= start <= end:
            raise ValueError(f"a segment ends after it starts: {start} to {end}")
        if not isinstance(mark["text"], str):
            raise ValueError(f"the text of a segment is text, not {mark['text']!r}")
        return _ordered({"start": start, "end": end, "text": str(mark["text"])}, mark)

    @property
    def text(self) -> str:
        """All the words, in order."""
        return " ".join(mark["text"].strip() for mark in self._marks)

    def save(self, path: str | Path) -> Path:
        """Writes subtitles (.srt, .vtt) or JSON, as the suffix says."""
        path = Path(path)
        written = {".srt": srt, ".vtt": vtt}.get(path.suffix.lower())
        if written is None:
            return super().save(path)
        path.write_text(
            written(Cue(mark["start"], mark["end"], mark["text"]) for mark in self._marks), encoding="utf-8"
        )
        return path


class Boxes(_Marks):
    """Detections on a picture: dicts of `box` [left, top, right, bottom] in pixels, `label` and `score`."""

    @classmethod
    def _checked(cls, mark: Mapping[str, Any]) -> dict[str, Any]:
        edges: Any = mark.get("box") if isinstance(mark, Mapping) else None
        if not hasattr(edges, "__len__") or len(edges) != 4 or "label" not in mark:
            raise ValueError(f"a box has box [left, top, right, bottom] and label, not {mark!r}")
        box = [_float(edge, "box") for edge in edges]
        if box[0] > box[2] or box[1] > box[3]:
            raise ValueError(f"a box is left, top, right, bottom, not {box}")
        if mark["label"] is None or isinstance(mark["label"], list | tuple | dict):
            raise ValueError(f"the label of a box is text, not {mark['label']!r}")
        score = _float(mark.get("score", 1.0), "score")
        return _ordered({"box": box, "label": str(mark["label"]), "score": score}, mark)

    @property
    def labels(self) -> list[str]:
        """The labels, in order."""
        return [mark["label"] for mark in self._marks]


class _MarksKind(JsonKind[Any]):
    """A kind of marks: made of a list of dicts, or of the JSON file of one."""

    from_path = True

    python: type[_Marks]

    def coerce(self, raw: object) -> _Marks:
        if isinstance(raw, self.python):
            return raw
        if isinstance(raw, str | Path):
            raw = _json_in(existing(raw))
        if isinstance(raw, list | tuple):
            return self.python(raw)
        raise ValueError(f"{self.name} are a list of dicts, or the path of its JSON file, not a {type(raw).__name__}")

    def dump(self, value: Self) -> object:
        return list(value)  # type: ignore[call-overload]


class SegmentsKind(_MarksKind):
    """Timed pieces of speech."""

    name = "segments"
    python = Segments


class BoxesKind(_MarksKind):
    """Detections on a picture."""

    name = "boxes"
    python = Boxes


def _ordered(known: dict[str, Any], mark: Mapping[str, Any]) -> dict[str, Any]:
    """The known keys first, so that equal marks are equal at rest; then the others as they came."""
    return {**known, **{key: _MORE.coerce(value) for key, value in mark.items() if key not in known}}


def _json_in(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=once_each)
    except RecursionError:
        raise ValueError(f"'{path}' is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"'{path}' is no JSON: {error}") from None


def _float(number: Any, name: str) -> float:
    try:
        value = float(number)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is a number, not {number!r}") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} is a finite number, not {value}")
    return value
