"""What the translation nodes share: text goes through a sentence-level model in pieces and comes back in paragraphs."""

from collections.abc import Callable

from .._languages import short
from .._sentences import fitting, paragraphs, sentences

LONGEST = 350  # characters; sentence-level students lose the thread in longer sentences


def same(source: str, target: str) -> bool:
    """Whether two codes mean one language, so that there is nothing to translate."""
    return short(source) == short(target)


def translated(text: str, translate: Callable[[list[str]], list[str]]) -> str:
    """`text` with all its pieces translated in one call of `translate`, in the same paragraphs."""
    blocks = [_pieces(paragraph) for paragraph in paragraphs(text)]
    answers = iter(translate([piece for block in blocks for piece in block]))
    return "\n\n".join(" ".join(next(answers) for _ in block) for block in blocks)


def _pieces(paragraph: str) -> list[str]:
    return [
        piece for sentence in sentences(paragraph) for piece in fitting(sentence, lambda text: len(text) <= LONGEST)
    ]
