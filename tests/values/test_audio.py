"""Audio as it is heard: all of it, at its times, at the right speed, and no voice lost in the mix."""

import io

import numpy as np
import pytest
import soundfile

import studio
from studio import Audio
from tests.support.recordings import loud, tone, written

RATE = 44_100


def file(samples, rate=RATE, form="OGG", subtype=None) -> bytes:
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=form, subtype=subtype)
    return target.getvalue()


def broken(data: bytes, size=60) -> bytes:
    """The same with some bytes in the middle changed."""
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 0x5A for byte in data[middle : middle + size]) + data[middle + size :]


def busy(seconds, rate=RATE):
    """A sound that fills its packets."""
    noise = np.random.default_rng(0).standard_normal(int(seconds * rate)).astype(np.float32)
    return tone(seconds, rate, peak=0.3) + 0.03 * noise


def pitch(samples, rate) -> float:
    """The strongest frequency."""
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples))


def test_an_mp3_that_says_nothing_of_its_length(tmp_path):
    """With no Xing header a reader guesses, from the first bit rate."""
    parts = [
        written(tmp_path / f"{bits}.mp3", "libmp3lame", tone(3, RATE), RATE, bit_rate=bits, write_xing="0")
        for bits in (256_000, 32_000, 40_000)
    ]
    sound = Audio.from_bytes(b"".join(part.read_bytes() for part in parts))
    assert sound.seconds == pytest.approx(9, abs=0.2)
    assert loud(sound.samples, sound.rate) == pytest.approx((0, 9), abs=0.2)


@pytest.mark.parametrize(("ext", "codec"), [("mp3", "libmp3lame"), ("aac", "aac"), ("ts", "aac"), ("mp2", "mp2")])
@pytest.mark.parametrize(
    ("first", "second"), [((44_100, 1), (22_050, 1)), ((22_050, 1), (44_100, 2)), ((32_000, 2), (32_000, 1))]
)
def test_rate_and_channels_that_change_on_the_way(ext, codec, first, second, tmp_path):
    parts = [
        written(tmp_path / f"{number}.{ext}", codec, np.stack([tone(2, rate)] * channels), rate).read_bytes()
        for number, (rate, channels) in enumerate((first, second))
    ]
    sound = Audio.from_bytes(b"".join(parts))
    assert (sound.rate, sound.channels) == (first[0], max(first[1], second[1]))
    assert sound.seconds == pytest.approx(4, abs=0.3)
    half = len(sound.samples) // 2
    for part in (sound.mono()[:half], sound.mono()[half:]):
        assert pitch(part, sound.rate) == pytest.approx(440, abs=3)
        assert np.percentile(abs(part), 90) == pytest.approx(0.4, abs=0.1)  # encoders overshoot where it begins


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (22_050, 1), (44_100, 2)])
def test_chained_ogg(rate, channels):
    second = np.stack([tone(2, rate)] * channels, axis=1)
    sound = Audio.from_bytes(file(tone(2, RATE)) + file(second, rate))
    assert (sound.rate, sound.channels) == (RATE, channels)
    assert sound.seconds == pytest.approx(4, abs=0.02)
    assert pitch(sound.mono()[2 * RATE :], RATE) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("odd", [False, True])
def test_wav_files_one_behind_the_other(odd):
    first = file(tone(2, RATE), RATE, "WAV", "PCM_U8" if odd else "PCM_16")
    if odd:  # a length that is odd, and a byte that fills up
        first = first[:4] + (int.from_bytes(first[4:8], "little") - 1).to_bytes(4, "little") + first[8:-1] + b"\0"
    sound = Audio.from_bytes(first + file(tone(2, 16_000), 16_000, "WAV"))
    assert (sound.rate, sound.seconds) == (RATE, pytest.approx(4, abs=0.01))
    assert pitch(sound.samples[2 * RATE :], RATE) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(
    ("form", "subtype"),
    [("WAV", "GSM610"), ("AIFF", "GSM610"), ("WAV", "G721_32"), ("AU", "G723_24"), ("XI", "DPCM_16")],
)
def test_formats_that_cannot_be_wound(form, subtype):
    sound = Audio.from_bytes(file(tone(2, 8000), 8000, form, subtype))
    assert len(sound.samples) == pytest.approx(16_000, abs=400)
    assert pitch(sound.samples, 8000) == pytest.approx(440, abs=10)


def test_tags_before_a_wav():
    tags = b"ID3\3\0\0" + bytes([0, 0, 0, 14]) + b"TIT2\0\0\0\4\0\0\0abc"
    assert Audio.from_bytes(tags + file(tone(1), 16_000, "WAV")).seconds == 1


VOICE, OTHER, NOBODY = tone(4), tone(4, pitch=300), np.zeros(64_000, np.float32)
TURNS = np.repeat([1, 0, 1, 0], 16_000).astype(np.float32)


@pytest.mark.parametrize(
    ("channels", "heard"),
    [
        ([VOICE, VOICE], VOICE),
        ([VOICE, -VOICE], VOICE),
        ([VOICE, -0.9 * VOICE], VOICE),
        ([VOICE, np.where(np.arange(64_000) < 32_000, VOICE, -VOICE)], VOICE),
        ([VOICE, -VOICE, VOICE, -VOICE], VOICE),
        ([VOICE, NOBODY], VOICE),
        *[([VOICE if channel == place else NOBODY for channel in range(6)], VOICE) for place in range(6)],
        ([*[NOBODY] * 7, VOICE], VOICE),
        ([VOICE * TURNS, OTHER * (1 - TURNS)], VOICE * TURNS + OTHER * (1 - TURNS)),
    ],
    ids=[
        "equal",
        "inverted",
        "nearly",
        "in part",
        "pairs",
        "left",
        *["one of six"] * 6,
        "last of eight",
        "in turns",
    ],
)
def test_nobody_is_lost_in_the_mix(channels, heard):
    mixed = Audio(np.stack(channels, axis=1), 16_000).mono()
    assert np.abs(mixed).max() == pytest.approx(0.4, abs=0.01)
    off = np.minimum(np.abs(mixed - heard), np.abs(mixed + heard))
    assert (off > 0.02).mean() < 0.02  # while a channel turns round


def test_a_quiet_recording_with_one_channel_inverted():
    mixed = Audio(np.stack([VOICE, -VOICE], axis=1) / 1000, 16_000).mono()
    assert np.abs(mixed).max() == pytest.approx(0.0004, abs=1e-5)


def test_one_channel_inverted_beside_an_offset_of_both():
    mixed = Audio(np.stack([VOICE + 0.3, 0.3 - VOICE], axis=1), 16_000).mono()
    assert np.corrcoef(mixed[2000:], VOICE[2000:])[0, 1] == pytest.approx(1, abs=0.01)


def test_two_voices_at_once_and_one_that_is_inverted_beside_a_third():
    both = Audio(np.stack([VOICE, OTHER], axis=1), 16_000).mono()
    third = Audio(np.stack([VOICE, -VOICE, OTHER], axis=1), 16_000).mono()
    for mixed in (both, third):
        spectrum = np.abs(np.fft.rfft(mixed)) / len(mixed) * 2
        assert min(spectrum[440 * 4], spectrum[300 * 4]) > 0.04
    assert np.abs(both).max() <= 0.4 + 1e-6


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.mkv", "pcm_s16le", RATE), ("a.mp4", "aac", RATE), ("a.ts", "aac", RATE), ("a.webm", "libopus", 48_000),
     ("a.flv", "libmp3lame", RATE), ("a.wma", "wmav2", RATE)],
)  # fmt: skip
def test_a_gap_is_silence(name, codec, rate, tmp_path):
    path = written(tmp_path / name, codec, tone(4, rate), rate, gap=(2, 10), bit_rate=128_000)
    sound = Audio.open(path)
    assert loud(sound.samples, rate) == pytest.approx((0, 14), abs=0.1)
    silent = np.flatnonzero(np.abs(sound.samples[rate : 13 * rate]) > 0.02) / rate + 1
    assert np.diff(silent).max() == pytest.approx(10, abs=0.2)
    assert "amid it are missing, and are silence" in sound.notes[0]


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "pcm_s16le"), ("a.mp4", "aac"), ("a.m4a", "alac")])
def test_a_late_start_is_silence(name, codec, tmp_path):
    sound = Audio.open(written(tmp_path / name, codec, tone(2, RATE), RATE, begins=3))
    assert loud(sound.samples, RATE) == pytest.approx((3, 5), abs=0.1)
    assert not sound.notes


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "pcm_s16le"), ("a.mp4", "aac")])
def test_a_part_cut_out_of_something_long_begins_at_once(name, codec, tmp_path):
    sound = Audio.open(written(tmp_path / name, codec, tone(2, RATE), RATE, begins=3600))
    assert loud(sound.samples, RATE) == pytest.approx((0, 2), abs=0.1)
    assert not sound.notes


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
@pytest.mark.parametrize("leap", [20_000, 90_000])
def test_a_leap_of_hours_is_not_believed(name, leap, tmp_path):
    sound = Audio.open(written(tmp_path / name, "aac", tone(4, RATE), RATE, gap=(2, leap)))
    assert loud(sound.samples, RATE) == pytest.approx((0, 4), abs=0.1)
    assert "which is not believed" in sound.notes[0]


@pytest.mark.parametrize("begins", [0, 5000, 95_441])
def test_a_broadcast_begins_anywhere(begins, tmp_path):
    """The last: its clock of 33 bits begins anew after two seconds."""
    sound = Audio.open(written(tmp_path / "a.ts", "aac", tone(4, RATE), RATE, begins=begins))
    assert loud(sound.samples, RATE) == pytest.approx((0, 4), abs=0.1)
    assert not sound.notes


def test_another_programme_that_comes_on_the_way(tmp_path):
    """With a stream that nobody knew of when the file was opened."""
    first = written(tmp_path / "1.ts", "aac", tone(12, RATE), RATE).read_bytes()
    others = {"mpegts_service_id": "7", "mpegts_pmt_start_pid": "0x600", "mpegts_start_pid": "0x400"}
    second = written(tmp_path / "2.ts", "aac", tone(3, RATE), RATE, **others).read_bytes()
    sound = Audio.from_bytes(first + second)
    assert loud(sound.samples, RATE) == pytest.approx((0, 12), abs=0.1)


@pytest.mark.parametrize("form", ["FLAC", "OGG", "MP3"])
def test_one_broken_packet(form):
    whole, hurt = (Audio.from_bytes(data) for data in (file(busy(10), form=form), broken(file(busy(10), form=form))))
    assert hurt.seconds == pytest.approx(whole.seconds, abs=0.1)
    assert loud(hurt.samples, RATE) == pytest.approx((0, 10), abs=0.1)
    if form != "MP3":  # which has no time stamps
        for part in (slice(0, 4 * RATE), slice(6 * RATE, 9 * RATE)):
            likeness = np.corrcoef(whole.samples[part], hurt.samples[part])[0, 1]
            assert likeness > 0.95, "what comes after the gap is not at its time"
        assert "missing" in str(hurt.notes)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wma", "wmav2"), ("a.mkv", "flac"), ("a.m4a", "aac"), ("a.opus", "libopus")]
)
def test_one_broken_packet_in_a_container(name, codec, tmp_path):
    rate = 48_000 if codec == "libopus" else RATE
    path = written(tmp_path / name, codec, busy(10, rate), rate, bit_rate=128_000)
    path.write_bytes(broken(path.read_bytes()))
    sound = Audio.open(path)
    assert loud(sound.samples, rate) == pytest.approx((0, 10), abs=0.2)


def test_tags_in_another_encoding(tmp_path):
    path = written(tmp_path / "a.m4a", "aac", tone(1, RATE), RATE)
    import av

    with av.open(str(path)) as source, av.open(str(tmp_path / "b.m4a"), "w") as target:
        target.metadata["title"] = "CAFE"
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    data = (tmp_path / "b.m4a").read_bytes()
    assert b"CAFE" in data
    assert Audio.from_bytes(data.replace(b"CAFE", b"CAF\xe9")).seconds == pytest.approx(1, abs=0.1)


def test_a_file_that_ends_too_soon():
    data = file(busy(10), form="FLAC")
    sound = Audio.from_bytes(data[: len(data) // 2])
    assert 4 < sound.seconds < 6
    assert "the file says that it lasts 10.0 s" in sound.notes[-1]
    data = file(busy(10), form="WAV")
    sound = Audio.from_bytes(data[: len(data) // 2])
    assert 4 < sound.seconds < 6
    assert "the file is cut off" in sound.notes[0]


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "aac"), ("a.webm", "libopus"), ("a.flv", "aac")])
def test_a_container_that_ends_too_soon(name, codec, tmp_path):
    data = written(tmp_path / name, codec, tone(6, 48_000), 48_000).read_bytes()
    assert not Audio.from_bytes(data).notes
    assert "the file says that it lasts 6.0 s" in Audio.from_bytes(data[: len(data) // 2]).notes[-1]


def test_a_wav_of_which_one_length_is_wrong():
    data = file(tone(1), 16_000, "WAV")
    for wrong in (data[:4] + b"\0\0\0\x61" + data[8:], data[:40] + b"\0\0\0\x61" + data[44:]):
        sound = Audio.from_bytes(wrong)
        assert (sound.seconds, sound.notes) == (1, ())


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_that_was_streamed(size):
    """Who writes one into a pipe does not know how long it will be."""
    data = file(tone(1), 16_000, "WAV", "PCM_16")
    length, place = size.to_bytes(4, "little"), data.find(b"data") + 4
    sound = Audio.from_bytes(data[:4] + length + data[8:place] + length + data[place + 4 :])
    assert sound.seconds == 1
    assert not sound.notes


PLAIN = [
    *[("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")],
    *[("AIFF", subtype) for subtype in ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ULAW")],
    *[("AU", subtype) for subtype in ("PCM_16", "DOUBLE")],
    *[("CAF", "PCM_24"), ("W64", "PCM_16"), ("RF64", "PCM_16"), ("FLAC", "PCM_S8"), ("FLAC", "PCM_24"), ("VOC", "PCM_16")],
]  # fmt: skip


@pytest.mark.parametrize(("form", "subtype"), PLAIN)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_form_of_samples(form, subtype, channels):
    if form == "VOC" and channels > 2:
        pytest.skip("VOC has two channels at most")
    samples = np.stack([tone(0.2, pitch=200 * (number + 1)) for number in range(channels)], axis=1)
    sound = Audio.from_bytes(file(samples, 16_000, form, subtype))
    assert (sound.rate, sound.channels, len(sound.samples)) == (16_000, channels, 3200)
    assert np.abs(sound.samples.reshape(3200, -1) - samples).max() < 0.03


@pytest.mark.parametrize(
    "codec", ["pcm_u8", "pcm_s16be", "pcm_s24le", "pcm_s32be", "pcm_s64le", "pcm_f32le", "pcm_f64be", "pcm_alaw"]
)
def test_every_form_of_samples_in_a_container(codec, tmp_path):
    path = tmp_path / ("a.wav" if codec == "pcm_s64le" else "a.mov")
    sound = Audio.open(written(path, codec, np.stack([tone(0.5), -tone(0.5)]), 16_000))
    assert sound.samples.shape == (8000, 2)
    assert np.abs(sound.samples[:, 0] - tone(0.5)).max() < 0.03


@pytest.mark.parametrize("rate", [100, 8000, 192_000])
def test_slow_and_fast_rates(rate):
    assert Audio.from_bytes(file(tone(1, rate, pitch=20), rate, "WAV")).rate == rate


def test_what_is_louder_than_full_scale_stays_so():
    sound = Audio.from_bytes(file(tone(0.1, peak=2), 16_000, "WAV", "FLOAT"))
    assert np.abs(sound.samples).max() == pytest.approx(2, abs=0.01)


def test_the_same_bytes_are_the_same_sound(tmp_path):
    path = written(tmp_path / "a.mp4", "aac", np.stack([tone(2, RATE), -tone(2, RATE)]), RATE, gap=(1, 1))
    first, second = Audio.open(path), Audio.open(path)
    assert first == second
    assert first.mono(16_000).tobytes() == second.mono(16_000).tobytes()


@pytest.mark.parametrize(
    "data",
    [
        b"#EXTM3U\n#EXTINF:1,\n/etc/passwd.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile a.wav\n",
        file(np.zeros(0), 16_000, "WAV"),
        file(np.zeros(0), 16_000, "FLAC"),
        file(np.full(100, np.nan), 16_000, "WAV", "FLOAT"),
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\x02\0\x10\0data\0\0\0\0",
    ],
    ids=["hls", "concat", "empty", "empty flac", "nan", "no rate"],
)
def test_what_is_refused(data):
    with pytest.raises(ValueError, match=r"sound|NaN|playlist") as caught:
        Audio.from_bytes(data)
    assert len(str(caught.value).splitlines()) == 1


def test_a_picture_is_no_sound():
    import PIL.Image

    target = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(target, "PNG")
    with pytest.raises(ValueError, match="there is no sound track in it"):
        studio.Audio.from_bytes(target.getvalue())
