"""Language codes."""

import pytest

from nodes._language_codes import CODES, NAMES
from nodes._languages import Language, short, spoken
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
        ("zh-yue", "yue"),
        ("nb", "no"),
        ("nob_Latn", "no"),
        ("nn", "nn"),
        ("jw", "jv"),
        ("fil", "tl"),
        ("iw", "he"),
        ("sh", "sr"),
        ("scr", "hr"),
        ("in", "id"),
        ("ji", "yi"),
        ("ger", "de"),
        ("arb_Arab", "ar"),
        ("zsm", "ms"),
        ("pt_XX", "pt"),
        ("English", "en"),
        ("Haitian  Creole", "ht"),
        ("Brazilian Portuguese", "pt"),
        ("tlh", "tlh"),
    ],
)
def test_short(code, expected):
    assert short(code) == expected


@pytest.mark.parametrize("code", ["", "e", "en US", "12", "jp", "x-klingon", "en\n"[:2] + "\0"])
def test_what_is_no_code_is_refused(code):
    with pytest.raises(InputError, match="is not a language code"):
        short(code)


@pytest.mark.parametrize(("code", "meant"), [("jp", "ja"), ("cn", "zh"), ("Portugese", r"portuguese \(pt\)")])
def test_what_was_meant_is_suggested(code, meant):
    with pytest.raises(InputError, match=f"Did you mean {meant}"):
        short(code)


def test_the_table_is_well_formed():
    assert all(len(code) in (2, 3) and CODES[known] == known for code, known in CODES.items())
    assert set(NAMES.values()) <= set(CODES)
    assert len(set(CODES.values())) > 180


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("en", "ENG", True),
        ("pt-BR", "pt-PT", True),
        ("en", "en-Latn", True),
        ("zh", "zh-CN", True),
        ("zh-TW", "zho_Hant", True),
        ("ko", "kor_Hang", True),
        ("nb", "no", True),
        ("zh-Hans", "zh-Hant", False),
        ("zh", "zh-HK", False),
        ("sr", "sr-Latn", False),
        ("srp_Cyrl", "sr-latn", False),
        ("uz_Cyrl", "uzb", False),
        ("pa", "pa-PK", False),
        ("ru", "ru-Latn", False),
        ("nb", "nn", False),
        ("zh", "yue", False),
    ],
)
def test_a_language_is_another_in_another_script(one, other, same):
    assert Language.of(one).same(Language.of(other)) is same
    assert Language.of(other).same(Language.of(one)) is same


def test_spoken_names_the_languages():
    assert spoken("por", ["en", "pt"], "it") == "pt"
    with pytest.raises(InputError, match="it does not speak 'de'; it speaks en, pt"):
        spoken("de", ["en", "pt"], "it")


@pytest.mark.parametrize("code", ["jv", "jw", "jav", "Javanese"])
def test_spoken_gives_the_code_that_the_model_knows(code):
    assert spoken(code, ["en", "jw"], "it") == "jw"
