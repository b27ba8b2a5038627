"""`a` or `an`: English labels as they stand in a sentence."""

ALREADY = ("scissors", "skis")  # more than one by their name


def with_article(label: str) -> str:
    """`a` or `an` before a word, unless it has one."""
    word = label.partition(" (")[0]
    if word.split(" ")[0] in ("a", "an", "the") or word in ALREADY:
        return word
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
