"""Where text may be cut."""

import pytest

from nodes._sentences import fitting, paragraphs, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("No end", ["No end"]),
        ("One. Two! Three? Four… Five.", ["One.", "Two!", "Three?", "Four…", "Five."]),
        ("Mr. A. B. Smith came at 9 a.m. today. He left.", ["Mr. A. B. Smith came at 9 a.m. today.", "He left."]),
        ("It cost 3.50. See example.com now.", ["It cost 3.50.", "See example.com now."]),
        ('He said: "Stop!" Then he left.', ['He said: "Stop!"', "Then he left."]),
        ("¿Qué tal? ¡Bien! Está aquí.", ["¿Qué tal?", "¡Bien!", "Está aquí."]),
        ("你好。再见。", ["你好。", "再见。"]),
        ("A line\nbreaks. Here.", ["A line breaks.", "Here."]),
    ],
)
def test_sentences(text, expected):
    assert sentences(text) == expected


def test_paragraphs():
    assert paragraphs("One\ntwo.\n\n \nThree.") == ["One two.", "Three."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short", ["short"]),
        ("one two, three four, five", ["one two,", "three four,", "five"]),
        ("one, two three four five", ["one,", "two three", "four five"]),
        ("abcdefghijklmnop", ["abcdefgh", "ijklmnop"]),
    ],
)
def test_fitting(text, expected):
    assert fitting(text, lambda piece: len(piece) <= 12) == expected
