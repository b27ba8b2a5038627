"""What the translation nodes share: text goes through a sentence-level model in pieces, and keeps its lines.

What is no sentence is not shown to the model: blank lines, indents, the marks of lists, headings and quotations, rules,
the bars of tables, and code between fences.
A long line that breaks off within a sentence is one with the next: a model must see a sentence whole.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .._languages import Language
from .._sentences import fitting, item, sentences

LONGEST = 350  # characters; sentence-level students lose the thread in longer sentences
WRAPPED = 45  # characters; a shorter line ends where its author wanted
_UNSPACED = {"zh", "ja", "yue"}  # between sentences
_CODE = re.compile(r"^[ \t>]*(`{3,}|~{3,})[^\n`]*\n(?:.*?\n)??[ \t>]*\1[ \t]*\r?$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"\s*\|.*\|\s*")  # of a table
_BAR = re.compile(r"(?<!\\)(\|)")


@dataclass
class _Line:
    """A line of text: what stays as it is before and after it, and what is translated."""

    before: str
    body: str
    after: str

    @classmethod
    def of(cls, line: str) -> "_Line":
        mark = item(line) or line[: len(line) - len(line.lstrip())]
        body = line[len(mark) :].strip()
        return cls(line[: line.index(body, len(mark))], body, line[line.index(body, len(mark)) + len(body) :])

    def goes_on(self, following: "_Line") -> bool:
        """Whether a sentence goes on in the next line: a long line without a stop, and then a small letter."""
        wrapped = len(self.body) >= WRAPPED and (self.body[-1].isalnum() or self.body[-1] in ",-–—")
        return wrapped and not following.before.strip() and following.body[:1].islower()


def same(source: str, target: str) -> bool:
    """Whether two codes mean one language in one script, so that there is nothing to translate."""
    return Language.of(source).same(Language.of(target))


def translated(text: str, target: str, translate: Callable[[list[str]], list[str]]) -> str:
    """`text` with all its pieces translated in one call of `translate`, in the same lines."""
    lines = _lines(text)
    pieces = [_pieces(line.body) for line in lines]
    answers = iter(translate([piece for several in pieces for piece in several]))
    blank = "" if Language.of(target).base in _UNSPACED else " "
    bodies = [
        blank.join(next(answers) for _ in several) or line.body for several, line in zip(pieces, lines, strict=True)
    ]
    return "".join(line.before + body + line.after for line, body in zip(lines, bodies, strict=True))


def _lines(text: str) -> list[_Line]:
    found: list[_Line] = []
    for line in _parted(text):
        if found and found[-1].goes_on(line):
            found[-1] = _Line(found[-1].before, f"{found[-1].body} {line.body}", line.after)
        else:
            found.append(line)
    return found


def _parted(text: str) -> Iterator[_Line]:
    """The lines of a text as they stand; code as one that holds nothing to translate, a row of a table by its cells."""
    start = 0
    for code in _CODE.finditer(text):
        yield from _plain(text[start : code.start()])
        yield _Line(code[0], "", "")
        start = code.end()
    yield from _plain(text[start:])


def _plain(text: str) -> Iterator[_Line]:
    for line in text.splitlines(keepends=True):
        cells = _BAR.split(line) if _ROW.fullmatch(line) else [line]
        yield from (_Line("|", "", "") if cell == "|" else _Line.of(cell) for cell in cells)


def _pieces(body: str) -> list[str]:
    """The sentences of a line, long ones cut; none of a line without letters."""
    if not any(map(str.isalpha, body)):
        return []
    return [piece for sentence in sentences(body) for piece in fitting(sentence, lambda text: len(text) <= LONGEST)]
