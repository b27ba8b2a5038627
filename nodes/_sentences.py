"""Where text may be cut: into sentences, and a long sentence into clauses."""

import re
from collections.abc import Callable

# A full stop after one of these ends no sentence.
ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof st sr sra srta dra dña jr rev hon gen capt lt col exmo av r d inc ltd co dept est approx
    vs etc eg ie e.g i.e cf no vol fig p pp a.m p.m u.s u.k jan feb mar apr jun jul aug sep sept oct nov dec
    """.split()  # noqa: SIM905 - words are easier to read and to add to than a list of strings
)
_END = re.compile(r"""(?<=[.!?…])["'”’»)\]]*\s+(?=["'“‘«(\[¿¡—-]*[^\Wa-z_])|(?<=[。！？])""")
_CLAUSE = re.compile(r"(?<=[,;:—–])\s+")


def sentences(text: str) -> list[str]:
    """The sentences of `text` in order; a blank line ends one too, a single line break does not."""
    return [sentence for paragraph in paragraphs(text) for sentence in _split(paragraph)]


def paragraphs(text: str) -> list[str]:
    """The blocks of `text` that blank lines separate, each on one line."""
    return [" ".join(block.split()) for block in re.split(r"\n\s*\n", text) if block.strip()]


def fitting(text: str, fits: Callable[[str], bool]) -> list[str]:
    """`text` whole if it fits; else its clauses, else its words, packed into as few pieces as fit."""
    if fits(text):
        return [text]
    clauses = [clause for clause in _CLAUSE.split(text) if clause]
    units = clauses if len(clauses) > 1 else text.split()
    if len(units) <= 1:
        middle = len(text) // 2
        return [text] if middle == 0 else fitting(text[:middle], fits) + fitting(text[middle:], fits)
    return _packed([piece for unit in units for piece in fitting(unit, fits)], fits)


def _packed(units: list[str], fits: Callable[[str], bool]) -> list[str]:
    """Neighbours joined for as long as they fit."""
    pieces: list[str] = []
    for unit in units:
        if pieces and fits(f"{pieces[-1]} {unit}"):
            pieces[-1] = f"{pieces[-1]} {unit}"
        else:
            pieces.append(unit)
    return pieces


def _split(paragraph: str) -> list[str]:
    """Cut at sentence ends, and mend a cut after an abbreviation or an initial."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(paragraph):
        sentence = paragraph[start : end.end()].strip()
        if sentence and not _abbreviated(sentence):
            found.append(sentence)
            start = end.end()
    last = paragraph[start:].strip()
    return [*found, last] if last else found


def _abbreviated(sentence: str) -> bool:
    word = sentence.rsplit(maxsplit=1)[-1].lstrip("(\"'“‘")
    if not word.endswith("."):
        return False
    stem = word[:-1].lower()
    return stem in ABBREVIATIONS or (len(stem) == 1 and stem.isalpha() and stem != "i")
