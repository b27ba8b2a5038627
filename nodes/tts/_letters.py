"""Letters: which of a text a voice can say; those that it cannot are named, as a voice would skip them in silence."""

import unicodedata
from collections.abc import Callable

from studio import Node

_KEPT = "\n\r\t\u200c\u200d"  # the joiners matter to scripts that use them
_SHOWN = 20  # letters
_WESTERN = ("LATIN ", "GREEK ", "COMBINING ", "FULLWIDTH LATIN", "MODIFIER LETTER ", "MICRO ", "OHM ", "KELVIN ")
_ORDINAL = ("MASCULINE ORDINAL", "FEMININE ORDINAL", "SCRIPT ", "DOUBLE-STRUCK ", "ANGSTROM ")


def readable(text: str) -> str:
    """`text` without what is no writing: control characters are blanks, what has no width is nothing."""
    blanks = {"Cc": " ", "Cf": "", "Cs": ""}
    return "".join(
        letter if letter in _KEPT else blanks.get(unicodedata.category(letter), letter)
        for letter in unicodedata.normalize("NFC", text)
    )


def western(letter: str) -> bool:
    """Whether who reads Latin letters can name it."""
    return unicodedata.name(letter, "").startswith(_WESTERN + _ORDINAL)


def sayable(node: Node, text: str, can: Callable[[str], bool]) -> str:
    """`text` without the letters that a voice cannot say, which are named in the log and counted as `unspoken`."""
    lost = [letter for letter in text if unicodedata.category(letter)[0] in "LM" and not can(letter)]
    if not lost:
        return text
    named = list(dict.fromkeys(lost))
    gaps = str.maketrans({letter: "" if western(letter) else " " for letter in named})
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    print(f"the voice cannot speak {' '.join(named[:_SHOWN])}{more}: {len(lost)} letters were left out")
    node.measure(unspoken=len(lost))
    return text.translate(gaps)
