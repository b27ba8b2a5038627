"""Letters and digits: which a voice can say; those that it cannot are named, as a voice would skip them in silence."""

import unicodedata
from collections.abc import Callable

from studio import Node

_KEPT = "\n\r\t\u200c\u200d"  # the joiners matter to scripts that use them
_SHOWN = 20  # letters
_RAISED = "¹²³"  # which are said as powers
_FORMS = ("<wide>", "<font>", "<circle>")  # of one letter
_WESTERN = ("LATIN ", "GREEK ", "COMBINING ", "FULLWIDTH LATIN", "MODIFIER LETTER ", "MICRO ", "OHM ", "KELVIN ")
_ORDINAL = ("MASCULINE ORDINAL", "FEMININE ORDINAL", "SCRIPT ", "DOUBLE-STRUCK ", "ANGSTROM ")


def readable(text: str) -> str:
    """`text` without what is no writing: control characters are blanks, what has no width is nothing."""
    blanks = {"Cc": " ", "Cf": "", "Cs": ""}
    return "".join(
        letter if letter in _KEPT else blanks.get(unicodedata.category(letter), letter)
        for letter in unicodedata.normalize("NFC", text)
    )


def plain(text: str) -> str:
    """`text` with digits of all scripts as 0 to 9, and letters of other widths or in circles as the plain ones."""
    return "".join(letter if letter.isascii() else _plain(letter) for letter in text)


def _plain(letter: str) -> str:
    if (digit := unicodedata.digit(letter, None)) is not None and letter not in _RAISED:
        return str(digit)
    kind, alike = unicodedata.decomposition(letter).partition(" ")[0], unicodedata.normalize("NFKC", letter)
    another = kind in _FORMS or (kind == "<compat>" and unicodedata.category(letter)[0] in "LN")
    return alike if another and alike.isascii() and alike.isalnum() else letter


def western(letter: str) -> bool:
    """Whether who reads Latin letters can name it."""
    if letter.isascii() or unicodedata.category(letter) == "No":  # ½, ²
        return True
    return unicodedata.name(letter, "").startswith(_WESTERN + _ORDINAL)


def sayable(node: Node, text: str, can: Callable[[str], bool]) -> str:
    """`text` without the letters and digits that a voice cannot say, which are named in the log and counted."""
    lost = [letter for letter in text if unicodedata.category(letter)[0] in "LMN" and not can(letter)]
    if not lost:
        return text
    named = list(dict.fromkeys(lost))
    gaps = str.maketrans({letter: "" if western(letter) else " " for letter in named})
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    print(f"the voice cannot speak {' '.join(named[:_SHOWN])}{more}: {len(lost)} letters were left out")
    node.measure(unspoken=len(lost))
    return text.translate(gaps)
