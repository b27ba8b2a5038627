"""video.frames and video.audio, on films drawn here: each second has a colour of its own, and a tone or none."""

import numpy as np
import pytest

from nodes.video.audio import Audio
from nodes.video.frames import Frames
from studio import InputError, Video

RATE = 10
COLOURS = [
    (250, 0, 0),
    (0, 250, 0),
    (0, 0, 250),
    (250, 250, 0),
    (0, 250, 250),
    (250, 0, 250),
    (250, 250, 250),
    (0, 0, 0),
]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """`film(seconds, sound)`: a film of so many colours, without a sound track, or with one so loud."""
    av = pytest.importorskip("av")

    def made(seconds, sound=None, keyframes=12, size=(64, 48)):
        path = tmp_path_factory.mktemp("film") / "film.mp4"
        with av.open(str(path), "w") as container:
            pictures = container.add_stream("mpeg4", rate=RATE)
            pictures.width, pictures.height, pictures.pix_fmt, pictures.gop_size = *size, "yuv420p", keyframes
            tone = container.add_stream("aac", rate=16_000, layout="mono") if sound is not None else None
            for number in range(int(seconds * RATE)):
                colour = np.full((size[1], size[0], 3), COLOURS[number // RATE % len(COLOURS)], np.uint8)
                container.mux(pictures.encode(av.VideoFrame.from_ndarray(colour, format="rgb24")))
            container.mux(pictures.encode())
            if tone is not None:
                wave = np.sin(np.arange(int(seconds * 16_000)) * 2 * np.pi * 440 / 16_000) * sound
                frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
                frame.rate = 16_000
                container.mux(tone.encode(frame))
                container.mux(tone.encode())
        return Video(path)

    return made


def colours(images):
    """Which of the colours each picture has."""
    means = [image.array.reshape(-1, 3).mean(0) for image in images]
    return [int(np.argmin([abs(mean - colour).sum() for colour in COLOURS])) for mean in means]


@pytest.mark.parametrize("keyframes", [1, 12, 1000])
@pytest.mark.parametrize("count", [1, 4, 8])
def test_so_many_evenly_spaced(film, work, count, keyframes):
    seen = colours(work(Frames, count=count).run(film(8, keyframes=keyframes)))
    assert seen == [int((number + 0.5) * 8 / count) for number in range(count)]


def test_one_every_so_many_seconds(film, work):
    assert colours(work(Frames, every=2).run(film(8))) == [0, 2, 4, 6]


def test_far_jumps_land_where_slow_reading_would(film, work, monkeypatch):
    clip = film(40, keyframes=15)
    jumped = colours(work(Frames, count=4).run(clip))
    monkeypatch.setattr("nodes.video._pictures._NEAR", 1e9)
    assert colours(work(Frames, count=4).run(clip)) == jumped == [int(time) % len(COLOURS) for time in (5, 15, 25, 35)]


def test_a_short_film_gives_fewer_and_always_one(film, work):
    assert len(work(Frames, count=8).run(film(0.2))) == 2
    assert len(work(Frames, every=60).run(film(1))) == 1


def test_large_pictures_shrink(film, work):
    clip = film(1, size=(640, 320))
    assert work(Frames, count=1, side=160).run(clip)[0].size == (160, 80)
    assert work(Frames, count=1, side=None).run(clip)[0].size == (640, 320)


def test_equal_input_gives_equal_output(film, work):
    clip = film(3)
    assert work(Frames, count=3).run(clip) == work(Frames, count=3).run(clip)


def test_the_sound(film, work):
    sound = work(Audio).run(film(2, sound=0.5))
    assert (sound.rate, sound.channels) == (16_000, 1)
    assert sound.seconds == pytest.approx(2, abs=0.15)
    assert abs(sound.samples).max() == pytest.approx(0.5, abs=0.1)
    assert work(Audio, rate=8000).run(film(2, sound=0.5)).rate == 8000


@pytest.mark.parametrize("sound", [None, 0.0])
def test_no_sound(film, work, sound):
    assert work(Audio).run(film(1, sound=sound)) is None


@pytest.mark.parametrize("node", [Frames, Audio])
def test_what_is_no_film(work, tmp_path, node):
    pytest.importorskip("av")
    (tmp_path / "film.mp4").write_text("no film")
    with pytest.raises(InputError, match=r"no film that can be read.*film\.mp4"):
        work(node).run(Video(tmp_path / "film.mp4"))


def test_no_pictures(work, tmp_path):
    pytest.importorskip("av")
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "sound.wav", np.zeros(800, np.float32), 8000)
    with pytest.raises(InputError, match=r"no pictures in sound\.wav"):
        work(Frames).run(Video(tmp_path / "sound.wav"))
