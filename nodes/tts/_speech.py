"""Long text as pieces that a voice model speaks well, and their audio as one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from studio import Audio

from .._sentences import fitting, paragraphs, sentences

QUIET = 10 ** (-45 / 20)  # below this, at the ends of a piece, is silence
SHORTEST = 0.5  # seconds of silence spoken for a text without words


@dataclass(frozen=True)
class Piece:
    """A stretch of text spoken in one go, and the seconds of silence after it."""

    text: str
    pause: float


def pieces(text: str, fits: Callable[[str], bool]) -> list[Piece]:
    """The sentences of `text`, long ones cut into clauses."""
    found: list[Piece] = []
    for paragraph in paragraphs(text):
        for sentence in sentences(paragraph):
            *clauses, last = fitting(sentence, fits)
            found += [Piece(clause, 0.12) for clause in clauses] + [Piece(last, 0.3)]
        found[-1] = Piece(found[-1].text, 0.6)
    return found


def joined(found: Sequence[Piece], spoken: Sequence[np.ndarray], rate: int) -> Audio:
    """The pieces one after the other, their own silence replaced by the pauses, never louder than full scale."""
    parts = [
        part
        for piece, samples in zip(found, spoken, strict=True)
        for part in (trimmed(samples, rate), silence(piece.pause, rate))
    ]
    whole = np.concatenate(parts[:-1]) if parts else silence(SHORTEST, rate)
    whole = whole if whole.size else silence(SHORTEST, rate)
    return Audio(whole / max(1.0, float(abs(whole).max())), rate)


def trimmed(samples: np.ndarray, rate: int) -> np.ndarray:
    """`samples` without the silence at its ends, bar a little."""
    loud = np.flatnonzero(abs(samples) > QUIET)
    margin = rate // 20
    return samples[max(0, loud[0] - margin) : loud[-1] + 2 * margin] if loud.size else samples[:0]


def silence(seconds: float, rate: int) -> np.ndarray:
    """Nothing, for so long."""
    return np.zeros(round(seconds * rate), np.float32)
