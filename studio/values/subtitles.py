"""Subtitles: timed text as SubRip (.srt) and WebVTT (.vtt), which any player reads as it was meant.

A blank line ends a cue, so a cue holds none; text that looks like markup is shown, not obeyed. SubRip has no way to
say that: there a mark of its own is parted by a character that is not shown, and an arrow `-->` becomes `->`.
https://www.w3.org/TR/webvtt1/, https://www.matroska.org/technical/subtitles.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Cue", "srt", "vtt"]

_JOINER = "\u2060"  # WORD JOINER: no width, no break
_OBEYED = re.compile(r"<(?=/?(?:b|i|u|s|font)\b)|\{(?=\\)", re.IGNORECASE)
_ARROW = re.compile(r"-{2,}>")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Cue(NamedTuple):
    """A text and when it is shown, in seconds."""

    start: float
    end: float
    text: str


def srt(cues: Iterable[Cue]) -> str:
    """The cues as SubRip."""
    return "\n".join(
        f"{number}\n{_times(cue, ',')}\n{_ARROW.sub('->', _OBEYED.sub(lambda mark: mark[0] + _JOINER, text))}\n"
        for number, (cue, text) in enumerate(_shown(cues), 1)
    )


def vtt(cues: Iterable[Cue]) -> str:
    """The cues as WebVTT."""
    written = (
        f"\n{number}\n{_times(cue, '.')}\n{text.translate(_ESCAPES)}\n"
        for number, (cue, text) in enumerate(_shown(cues), 1)
    )
    return "WEBVTT\n" + "".join(written)


def _shown(cues: Iterable[Cue]) -> list[tuple[Cue, str]]:
    """The cues that show something, in the order of time, with their lines."""
    lines = ((cue, _lines(cue.text)) for cue in sorted(cues, key=lambda cue: (cue.start, cue.end)))
    return [(cue, text) for cue, text in lines if text]


def _lines(text: str) -> str:
    return "\n".join(line for line in map(str.strip, text.replace("\0", "").splitlines()) if line)


def _times(cue: Cue, sign: str) -> str:
    """From when to when: never from a moment to itself."""
    start = round(cue.start * 1000)
    return f"{_clock(start, sign)} --> {_clock(max(round(cue.end * 1000), start + 1), sign)}"


def _clock(millis: int, sign: str) -> str:
    hours, minutes, seconds = millis // 3_600_000, millis // 60_000 % 60, millis // 1000 % 60
    return f"{hours:02}:{minutes:02}:{seconds:02}{sign}{millis % 1000:03}"
