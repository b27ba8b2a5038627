"""Titles and sums of money as they are said."""

import pytest

from nodes.tts._words import spelled


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Dr. Smith paid $3.50.", "Doctor Smith paid 3.50 dollars."),
        ("pt", "O Sr. Silva pagou R$ 25,90 e € 1.000.", "O senhor Silva pagou 25,90 reais e 1.000 euros."),
        ("es", "La Sra. Paz llegó.", "La señora Paz llegó."),
        ("en", "The end. Then nothing.", "The end. Then nothing."),
        ("xx", "Dr. No, $5", "Dr. No, 5 $"),
    ],
)
def test_spelled(language, text, expected):
    assert spelled(text, language) == expected
