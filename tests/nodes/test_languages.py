"""Language codes."""

import pytest

from nodes._languages import TWO_LETTER, short, spoken
from studio import InputError


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("en", "en"),
        ("EN", "en"),
        (" pt-BR ", "pt"),
        ("pt_br", "pt"),
        ("eng", "en"),
        ("por_Latn", "pt"),
        ("zho_Hant", "zh"),
        ("yue", "yue"),
    ],
)
def test_short(code, expected):
    assert short(code) == expected


@pytest.mark.parametrize("code", ["", "english", "e", "en US", "12"])
def test_what_is_no_code_is_refused(code):
    with pytest.raises(InputError, match="is not a language code"):
        short(code)


def test_the_table_is_well_formed():
    assert all(len(three) == 3 and len(two) == 2 for three, two in TWO_LETTER.items())
    assert len(TWO_LETTER) > 100


def test_spoken_names_the_languages():
    assert spoken("por", ["en", "pt"], "it") == "pt"
    with pytest.raises(InputError, match="it does not speak 'de'; it speaks en, pt"):
        spoken("de", ["en", "pt"], "it")
