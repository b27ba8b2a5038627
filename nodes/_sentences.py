"""Where text may be cut: into sentences, and a long sentence into clauses."""

import re
import unicodedata
from collections.abc import Callable
from itertools import pairwise

# A full stop after one of these ends no sentence.
ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof st sr sra srta dra dña jr rev hon gen capt lt col exmo av inc ltd co dept est approx
    vs etc cf no vol fig p pp ph.d jan feb mar apr jun jul aug sep sept oct nov dec
    dhr mevr kl hab bzw ca evtl ggf nr usw vgl hr fr mme mlle sig dott ул им стр руб др проф डॉ डा प्रो श्री ডা ড
    """.split()  # noqa: SIM905 - words are easier to read and to add to than a list of strings
)
# Unicode's Sentence_Terminal, but for those of Latin text, the comma of Burmese (U+104A) and scripts no longer written.
_STOPS = "։؝؞؟۔܀܁܂߹।॥။።፧፨᙮᜵᜶។៕᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᰻᰼᱾᱿‼‽⁇⁈⁉⸮。꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫︒︕︖﹖﹗！？｡𑁇𑁈𑂾𑂿𑃀𑃁𑅁𑅂𑅃𑇅𑇆𑑋𑑌𑙁𑙂𑜼𑜽𑜾𖩮𖩯𖫵𖺘"
_DIRECTION = "\u200e\u200f\u061c\u202a-\u202c\u2066-\u2069"  # marks of writing from right to left, not seen
_CLOSING = f""""'”’»›)\\]）］】》〉」』｣{_DIRECTION}"""
_OPENING = f""""'“‘«‹(\\[¿¡—–{_DIRECTION}-"""
# Such a stop ends a sentence wherever it stands. One of Latin text does where a blank follows; so does the `;` with
# which Greek asks, and the full-width `．`, unless it stands in a number.
_END = re.compile(
    rf"(?:[{_STOPS}][{_STOPS}.!?…．]*|(?<!\d)．|．(?!\d))[{_CLOSING}]*\s*"
    rf"|(?:[.!?…﹒․]|(?<=[\u0370-\u03ff\u1f00-\u1fff])[;\u037e])[{_CLOSING}]*\s+(?=[{_OPENING}]*(?P<next>[^\s{_OPENING}]))"
)
# In German `3.` is the third, mostly of these; in other languages they begin with a small letter, or seldom a sentence.
_THIRD = re.compile(
    r"(?<![\d.,])\d{1,2}\.\s+(?=(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November"
    r"|Dezember|Jahrhundert|Jahrtausend|Jh|Quartal|Weltkrieg)\w{0,2}\b)"
)
_CLAUSE = re.compile(r"(?<=[,;:—–])\s+|(?<=[，、；：،؛፣၊])\s*")
_BLANK = re.compile(r"\s+")
_ITEM = re.compile(r"\s*(?:[-–—*+•‣◦▪●・]\s|\(?\d{1,3}[.)]\s|\(?[A-Za-z]\)\s|#{1,6}\s|\[[ xX]\]\s|>|\|)")


def sentences(text: str) -> list[str]:
    """The sentences of `text` in order; a blank line or an item of a list ends one too, a line break does not."""
    return [sentence for paragraph in paragraphs(text) for sentence in _split(paragraph)]


def paragraphs(text: str) -> list[str]:
    """The blocks of `text` that blank lines separate, and the items of its lists, each on one line."""
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if not line.strip():
            blocks.append([])
        elif item(line):
            blocks.append([line])
        else:
            blocks[-1].append(line)
    return [" ".join(" ".join(block).split()) for block in blocks if block]


def item(line: str) -> str:
    """The mark with which a line begins, where it is an item of a list, a heading or a quotation; else nothing."""
    end = 0
    while found := _ITEM.match(line, end):
        end = found.end()
    return line[:end]


def fitting(text: str, fits: Callable[[str], bool]) -> list[str]:
    """`text` whole if it fits; else its clauses, else its words, packed into as few pieces as fit."""
    if fits(text):
        return [text]
    units = next((cut for cut in (_cut(text, _CLAUSE), _cut(text, _BLANK)) if len(cut) > 1), [])
    if not units:
        middle = len(text) // 2
        return [text] if middle == 0 else fitting(text[:middle], fits) + fitting(text[middle:], fits)
    return _packed([piece for unit in units for piece in fitting(unit, lambda piece: fits(piece.strip()))], fits)


def _cut(text: str, end: re.Pattern[str]) -> list[str]:
    """All of `text`, in stretches that end so."""
    places = [0, *(found.end() for found in end.finditer(text)), len(text)]
    return [text[start:stop] for start, stop in pairwise(places) if start < stop]


def _packed(units: list[str], fits: Callable[[str], bool]) -> list[str]:
    """Neighbours joined for as long as they fit."""
    pieces: list[str] = []
    for unit in units:
        if pieces and fits((pieces[-1] + unit).strip()):
            pieces[-1] += unit
        else:
            pieces.append(unit)
    return [piece.strip() for piece in pieces]


def _split(paragraph: str) -> list[str]:
    """Cut at sentence ends, and mend a cut after an abbreviation, an initial or the number of an item."""
    found: list[str] = []
    start = 0
    dates = {date.end() for date in _THIRD.finditer(paragraph)}
    for end in _END.finditer(paragraph):
        sentence = paragraph[start : end.end()].strip()
        goes_on = _goes_on(end["next"]) or end.end() in dates
        if not goes_on and any(map(str.isalpha, sentence)) and not _abbreviated(sentence):
            found.append(sentence)
            start = end.end()
    last = paragraph[start:].strip()
    return [*found, last] if last else found


def _goes_on(letter: str | None) -> bool:
    """Whether what follows a stop of Latin text goes on with the sentence: a small letter, or no word at all."""
    if letter is None or "ა" <= letter <= "ჿ":  # Georgian is written in small letters only
        return False
    return letter.islower() or not (letter.isalnum() or unicodedata.category(letter)[0] == "S")


def _abbreviated(sentence: str) -> bool:
    word = sentence.rsplit(maxsplit=1)[-1].lstrip("(\"'“‘")
    if not word.endswith("."):
        return False
    stem = word[:-1].lower()
    initials = all(len(letter) == 1 and letter.isalpha() for letter in stem.split("."))
    return stem in ABBREVIATIONS or (initials and stem != "i")
