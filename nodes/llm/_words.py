"""Words of an answer: whether a model says something in it, or only thinks, or nothing that is seen."""

import re

# What a model thinks before it answers. Some templates open the thoughts themselves, so that only their end is written.
_THOUGHTS = re.compile(r".*</(?:think|thinking|thought)>|^\s*<(?:think|thinking|thought)>.*", re.DOTALL)


def has_words(answer: str) -> bool:
    """Whether something that is seen stands beside the thoughts."""
    return any(letter.isprintable() and not letter.isspace() for letter in _THOUGHTS.sub("", answer))
