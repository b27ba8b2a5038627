"""video.frames and video.audio, on films drawn here: each second has a colour of its own, and a tone or none."""

from fractions import Fraction

import numpy as np
import pytest

from nodes.video.audio import Audio
from nodes.video.frames import Frames
from studio import InputError, Video
from tests.support.recordings import loud, tone, written

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


def drawn(path, codec="libx264", seconds=4, rate=RATE, form="yuv420p", *, later=0, shape=None, keyframes=12, at=None):
    """A film of so many colours as a codec and a container write it, with no sound.

    later: seconds that all time stamps are later; shape: of its pixels; at: the time of each picture, in pictures.
    """
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, form, keyframes
        if shape:
            stream.codec_context.sample_aspect_ratio = shape
        for number in range(seconds * rate):
            colour = np.full((48, 64, 3), COLOURS[number // rate % len(COLOURS)], np.uint8)
            frame = av.VideoFrame.from_ndarray(colour, format="rgb24")
            frame.pts, frame.time_base = (at(number) if at else number) + later * rate, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Video(path)


def joined(path, *parts, marked=0, languages=(), title=""):
    """A file with the first track of each of `parts`; the one that is `marked` (from 0) is its default."""
    import av
    from av.stream import Disposition

    sources = [av.open(str(part)) for part in parts]
    with av.open(str(path), "w") as target:
        target.metadata["title"] = title
        streams = [target.add_stream_from_template(source.streams[0]) for source in sources]
        for number, stream in enumerate(streams):
            stream.disposition = Disposition.default if number == marked else Disposition(0)
            if languages and languages[number]:
                stream.metadata["language"] = languages[number]
        for source, stream in zip(sources, streams, strict=True):
            for packet in source.demux(source.streams[0]):
                if packet.size:
                    packet.stream = stream
                    target.mux(packet)
    for source in sources:
        source.close()
    return path


def colours(images):
    """Which of the colours each picture has."""
    means = [image.array.reshape(-1, 3).mean(0) for image in images]
    return [int(np.argmin([abs(mean - colour).sum() for colour in COLOURS])) for mean in means]


@pytest.mark.parametrize("keyframes", [1, 12, 1000])
@pytest.mark.parametrize("count", [1, 4, 8])
def test_so_many_evenly_spaced(film, work, count, keyframes):
    seen = colours(work(Frames, count=count).run(film(8, keyframes=keyframes)))
    assert seen == [int((number + 0.5) * 8 / count) for number in range(count)]


def test_a_still_beside_the_film(work, tmp_path):
    """As a moving AVIF has one, which is marked as default, too."""
    import av

    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        streams = [container.add_stream("mpeg4", rate=RATE) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for stream, count in zip(streams, (1, 30), strict=True):
            for number in range(count):
                colour = np.full((48, 64, 3), COLOURS[number // RATE], np.uint8)
                frame = av.VideoFrame.from_ndarray(colour, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    assert colours(work(Frames, every=1).run(Video(tmp_path / "a.mp4"))) == [0, 1, 2]


def test_one_every_so_many_seconds(film, work):
    assert colours(work(Frames, every=2).run(film(8))) == [0, 2, 4, 6]
    assert colours(work(Frames, every=2).run(film(6.5))) == [0, 2, 4, 6]


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


@pytest.mark.parametrize(
    ("name", "codec", "form"),
    [("a.mp4", "libx264", "yuv420p"), ("a.mkv", "libx264", "yuv420p10le"), ("a.webm", "libvpx-vp9", "yuv420p"),
     ("a.avi", "mpeg4", "yuv420p"), ("a.ts", "libx264", "yuv420p"), ("a.flv", "libx264", "yuv420p"),
     ("a.wmv", "wmv2", "yuv420p"), ("a.mov", "mjpeg", "yuvj420p"), ("a.gif", "gif", "rgb8"), ("a.apng", "apng", "rgba"),
     ("a.mov", "qtrle", "argb"), ("a.mkv", "ffv1", "yuv444p"), ("a.h264", "libx264", "yuv420p"), ("a.mjpeg", "mjpeg", "yuvj420p")],
)  # fmt: skip
def test_every_container(name, codec, form, work, tmp_path):
    """The last two are streams with no times at all; their rate says them."""
    rate = 25 if name.endswith("mjpeg") else RATE  # which says not even that
    film = drawn(tmp_path / name, codec, form=form, rate=rate)
    found = work(Frames, count=4).run(film)
    assert colours(found) == [0, 1, 2, 3]
    assert {(image.size, image.pil.mode) for image in found} == {((64, 48), "RGB")}


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
def test_jumps_in_a_film_without_an_index(name, work, tmp_path):
    film = drawn(tmp_path / name, seconds=40, keyframes=45)
    assert colours(work(Frames, count=4).run(film)) == [5, 7, 1, 3]


@pytest.mark.parametrize("later", [0, 48, 5000])
def test_recordings_that_were_joined(later, work, tmp_path):
    """Their clocks say nothing of each other."""
    parts = [drawn(tmp_path / f"{n}.ts", later=begins, seconds=8).path for n, begins in enumerate((40, later))]
    (tmp_path / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    found = colours(work(Frames, count=16).run(Video(tmp_path / "a.ts")))
    assert found == [*range(8), *range(8)]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_a_film_that_begins_late(name, work, tmp_path):
    assert colours(work(Frames, count=4).run(drawn(tmp_path / name, later=7))) == [0, 1, 2, 3]


def test_a_rate_that_changes(work, tmp_path):
    """The second half has three times as long for each picture."""
    film = drawn(tmp_path / "a.mp4", at=lambda number: number if number < 20 else 3 * number - 40)
    assert colours(work(Frames, every=1).run(film)) == [0, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("claimed", [1, 40])
def test_a_head_that_says_another_length(claimed, work, tmp_path):
    film = drawn(tmp_path / "a.mkv")
    data = film.path.read_bytes()
    place = data.index(b"\x44\x89\x88") + 3  # Duration, eight bytes of float
    length = np.array([claimed * 1000], ">f8").tobytes()
    film.path.write_bytes(data[:place] + length + data[place + 8 :])
    assert colours(work(Frames, count=4).run(Video(film.path))) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("shape", "size"), [("4/3", (85, 48)), ("8/9", (57, 48)), ("1/1", (64, 48)), ("200/1", (64, 48))]
)
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_pixels_that_are_not_square(shape, size, name, work, tmp_path):
    film = drawn(tmp_path / name, shape=Fraction(shape), seconds=1)
    assert work(Frames, count=1).run(film)[0].size == size


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [((1, 0, 0, 1), "top left"), ((0, 1, -1, 0), "top right"), ((-1, 0, 0, -1), "bottom right"),
     ((0, -1, 1, 0), "bottom left"), ((-1, 0, 0, 1), "top right"), ((1, 0, 0, -1), "bottom left"),
     ((0, 1, 1, 0), "top left"), ((0, -1, -1, 0), "bottom right")],
)  # fmt: skip
def test_films_that_lie_on_their_side(matrix, corner, work, tmp_path):
    """A phone writes how it was held; where the red corner goes: (x, y) becomes (ax + cy, bx + dy)."""
    import av

    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        picture = np.zeros((32, 64, 3), np.uint8)
        picture[:16, :32, 0] = 250
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())

    def written_as(a, b, c, d):
        return np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()

    head, _, tail = (tmp_path / "a.mp4").read_bytes().rpartition(written_as(1, 0, 0, 1))
    (tmp_path / "a.mp4").write_bytes(head + written_as(*matrix) + tail)
    seen = work(Frames, count=1).run(Video(tmp_path / "a.mp4"))[0]
    assert seen.size == ((32, 64) if matrix[1] else (64, 32))
    rows, columns = np.nonzero(seen.array[:, :, 0] > 125)
    height, width = seen.array.shape[:2]
    assert (
        corner
        == f"{'top' if rows.mean() < height / 2 else 'bottom'} {'left' if columns.mean() < width / 2 else 'right'}"
    )


@pytest.mark.parametrize(
    ("size", "planes", "says"),
    [((64, 48), (145, 54, 34), {}), ((64, 48), (173, 42, 26), {"colorspace": 1}), ((1280, 720), (173, 42, 26), {}),
     ((64, 48), (149, 43, 21), {"color_range": 2})],
    ids=["small", "says it", "large", "full range"],
)  # fmt: skip
def test_colours_are_what_the_film_says_or_its_size(size, planes, says, work, tmp_path):
    """Green, as old and new television write it, and as a camera does that uses the full range."""
    import av

    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        frame = av.VideoFrame(*size, "yuv420p")
        for plane, value in zip(frame.planes, planes, strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        for name, value in says.items():
            setattr(stream.codec_context, name, value)
            setattr(frame, name, value)
        container.mux([*stream.encode(frame), *stream.encode()])
    seen = work(Frames, count=1).run(Video(tmp_path / "a.mkv"))[0]
    assert np.abs(seen.array.astype(int) - (0, 255, 0)).max() <= 4


def test_what_can_be_seen_through(work, tmp_path):
    import av

    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("qtrle", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "argb"
        picture = np.full((48, 64, 4), 255, np.uint8)
        picture[:, :32, 3] = 0
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgba")))
        container.mux(stream.encode())
    seen = work(Frames, count=1).run(Video(tmp_path / "a.mov"))[0]
    assert seen.pil.mode == "RGBA"
    assert (seen.array[:, :32, 3] == 0).all()


@pytest.mark.parametrize("name", ["a.ts", "a.avi", "a.h264"])
def test_broken_pictures_are_passed_over(name, work, tmp_path):
    film = drawn(tmp_path / name, "mpeg4" if name.endswith("avi") else "libx264", seconds=8)
    data = bytearray(film.path.read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 8):
        data[place] ^= 0x5A
    film.path.write_bytes(data)
    seen = colours(work(Frames, count=8).run(Video(film.path)))
    assert len(seen) >= 6
    assert seen[0] == 0
    assert seen[-1] == 7


def test_a_film_that_ends_too_soon(work, tmp_path):
    film = drawn(tmp_path / "a.ts", seconds=8)
    film.path.write_bytes(film.path.read_bytes()[: film.path.stat().st_size // 2])
    seen = colours(work(Frames, count=8).run(Video(film.path)))
    assert seen[0] == 0
    assert 2 <= seen[-1] <= 5


def test_a_cover_is_no_film(work, tmp_path):
    import av

    with av.open(str(tmp_path / "a.mp3"), "w") as container:
        sound = container.add_stream("libmp3lame", rate=16_000, layout="mono")
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(tone(1)[None], format="fltp", layout="mono")
        frame.rate = 16_000
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        container.mux([*cover.encode(picture), *cover.encode(), *sound.encode(frame), *sound.encode()])
    with pytest.raises(InputError, match=r"no pictures in a\.mp3 but its cover"):
        work(Frames).run(Video(tmp_path / "a.mp3"))
    assert work(Audio).run(Video(tmp_path / "a.mp3")).seconds == pytest.approx(1, abs=0.1)


def test_of_several_films_the_one_that_is_marked(work, tmp_path):
    parts = [drawn(tmp_path / "0.mkv", seconds=2).path, drawn(tmp_path / "1.mkv", seconds=4).path]
    seen = [len(work(Frames, every=1).run(Video(joined(tmp_path / f"{n}.mp4", *parts, marked=n)))) for n in (0, 1)]
    assert seen == [2, 4]


def test_a_playlist_is_no_film(work, tmp_path):
    drawn(tmp_path / "a.ts")
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n")
    for node in (Frames, Audio):
        with pytest.raises(InputError, match=r"a playlist|a\.m3u8"):
            work(node).run(Video(tmp_path / "a.m3u8"))


def test_tags_in_another_encoding(work, tmp_path):
    sound = written(tmp_path / "s.m4a", "aac", tone(2))
    data = joined(tmp_path / "a.mp4", drawn(tmp_path / "v.mp4", seconds=2).path, sound, title="CAFE").read_bytes()
    (tmp_path / "a.mp4").write_bytes(data.replace(b"CAFE", b"CAF\xe9"))
    assert colours(work(Frames, count=2).run(Video(tmp_path / "a.mp4"))) == [0, 1]
    assert work(Audio).run(Video(tmp_path / "a.mp4")).seconds == pytest.approx(2, abs=0.1)


@pytest.fixture
def languages(tmp_path):
    """A film with sound in two languages, English low and German high; German is its default."""
    film = drawn(tmp_path / "v.mkv", seconds=2).path
    sounds = [written(tmp_path / f"{pitch}.mka", "flac", tone(2, pitch=pitch)) for pitch in (300, 600)]
    return Video(joined(tmp_path / "two.mkv", film, *sounds, marked=2, languages=("", "eng", "ger")))


@pytest.mark.parametrize(
    ("track", "pitch"),
    [(None, 600), (1, 300), (2, 600), ("2", 600), ("en", 300), ("eng", 300), ("de", 600), ("deu", 600)],
)
def test_which_track_of_sound(track, pitch, languages, work):
    sound = work(Audio, track=track).run(languages)
    assert np.abs(np.fft.rfft(sound.samples)).argmax() * sound.rate / len(sound.samples) == pytest.approx(pitch, abs=1)


@pytest.mark.parametrize("track", [3, 0, "fr"])
def test_no_such_track(track, languages, work):
    with pytest.raises(InputError, match=r"no sound track .* in two\.mkv; there are 1 \(eng\), 2 \(ger\)"):
        work(Audio, track=track).run(languages)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts", "a.flv"])
@pytest.mark.parametrize(("pictures", "late"), [(0, 3), (10, 12.5), (0, 90)])
def test_sound_that_begins_after_the_pictures(name, pictures, late, work, tmp_path):
    """Where the film itself begins later than its clock, that is nobody's time."""
    film = drawn(tmp_path / "v.mkv", seconds=2, later=pictures).path
    both = joined(tmp_path / name, film, written(tmp_path / "s.mka", "aac", tone(2, 44_100), 44_100, begins=late))
    sound = work(Audio).run(Video(both))
    assert loud(sound.samples, sound.rate) == pytest.approx((late - pictures, late - pictures + 2), abs=0.1)


@pytest.mark.parametrize("channels", [(1, -1), (0, 0, 0, 1, 0, 0)])
def test_no_voice_of_a_film_is_lost(channels, work, tmp_path):
    film = written(tmp_path / "a.mkv", "flac", np.stack([sign * tone(2) for sign in channels]))
    assert np.abs(work(Audio).run(Video(film)).samples).max() == pytest.approx(0.4, abs=0.01)
    assert work(Audio, rate=8000).run(Video(film)).rate == 8000
