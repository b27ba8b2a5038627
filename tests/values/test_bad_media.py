"""Bad media: each fails with one clear line, in Python and on the command line."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

import studio
from studio.values import KINDS
from tests.support.door import run_log


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def picture(form: str) -> bytes:
    target = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype("u1")).save(target, form)
    return target.getvalue()


def npy(array) -> bytes:
    target = io.BytesIO()
    np.save(target, array, allow_pickle=True)
    return target.getvalue()


BAD = [
    ("audio", "talk.wav", b"this is no sound at all\n" * 20),
    ("audio", "talk.wav", b"RIFF\xff\xff\xff\xffWAVEfmt "),
    ("audio", "talk.mp3", b"ID3" + b"\0" * 200),
    ("audio", "talk.flac", b"fLaC" + b"\xff" * 50),
    ("image", "photo.jpg", picture("JPEG")[:700]),
    ("image", "photo.png", picture("PNG")[:900]),
    ("image", "photo.png", png_header(50_000, 50_000)),
    ("image", "photo.gif", b"GIF89a" + b"\xff" * 30),
    ("image", "photo.png", b"words"),
    ("vector", "v.npy", npy(np.array([{"a": 1}], dtype=object))),
    ("vector", "v.npy", npy(np.zeros(50))[:200]),
    ("vector", "v.npy", npy(np.zeros(5))[:40]),
    ("vector", "v.npy", npy(np.zeros(5)).replace(b"(5,)", b"(5000000000000,)")),
    ("vector", "v.safetensors", b"\x08\0\0\0\0\0\0\0{}      "),
    ("vector", "v.safetensors", b"\xff" * 30),
    ("segments", "s.json", b"{not json"),
    ("segments", "s.json", b'[{"start": 0}]'),
    ("segments", "s.json", b"[" * 100_000),
    ("boxes", "b.json", b'[{"box": 1, "label": "a"}]'),
    ("boxes", "b.json", b"\xff\xfe"),
]
NODE = {"audio": "Loudness, in: {audio: it}", "image": "Brightness, in: {image: it}"}


def graph(kind: str) -> str:
    return f"inputs: {{it: {kind}}}\nnodes: {{u: {{use: {NODE.get(kind, 'Upper, with: {text: a}')}}}}}\noutputs: {{x: u, it: it}}"


@pytest.mark.parametrize(("kind", "name", "content"), BAD, ids=[f"{kind}-{n}" for n, (kind, *_) in enumerate(BAD)])
def test_content(kind, name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    for given_ in (path, content) if kind not in ("segments", "boxes") else (path,):
        with pytest.raises(studio.InputError, match="input 'it'") as caught:
            run_log(graph(kind), it=given_)
        assert len(str(caught.value).splitlines()) == 1
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if not kind.plain])
@pytest.mark.parametrize(
    ("made", "says"), [("missing", "no such file"), ("empty", "the file is empty"), ("folder", "is a folder")]
)
def test_no_file(kind, made, says, tmp_path):
    path = tmp_path / "it.x"
    if made == "empty":
        path.touch()
    elif made == "folder":
        path.mkdir()
    with pytest.raises(studio.InputError, match=says) as caught:
        run_log(graph(kind), it=str(path))
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["a\0b", "x" * 400, "/" + "y/" * 3000, "~nobody/x.wav", "/dev/null"])
def test_strange_paths(name):
    with pytest.raises(studio.InputError, match="input 'it'"):
        run_log(graph("audio"), it=name)


def test_a_bomb_is_refused_in_no_time(tmp_path):
    import time

    started = time.thread_time()
    with pytest.raises(ValueError, match=r"too large|pixels"):
        studio.Image.from_bytes(png_header(50_000, 50_000))
    assert time.thread_time() - started < 1


def test_a_wav_that_promises_too_much(tmp_path):
    """A header that tells of more samples than there are."""
    whole = KINDS["audio"].encode(studio.Audio(np.zeros(100), 8000))
    try:
        sound = studio.Audio.from_bytes(whole[:-100])
    except ValueError:
        return
    assert len(sound.samples) <= 100


@pytest.mark.filterwarnings("ignore")  # PIL warns of some metadata, and reads on
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_flipped_bytes_of_a_picture(form):
    whole = picture(form)

    @given(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=8),
        st.integers(0, len(whole)),
    )
    def check(flips, cut):
        data = bytearray(whole)
        for place, value in flips:
            data[place] = value
        try:
            studio.Image.from_bytes(bytes(data[: cut or None]))
        except ValueError as error:
            assert str(error)

    check()


@pytest.mark.parametrize("node", ["Loudness", "Brightness"])
def test_a_file_that_is_none_fails_the_run_before_any_step(node, tmp_path):
    """Even where another step comes first."""
    bad = tmp_path / "bad"
    bad.write_text("nothing of the kind")
    kind = {"Loudness": "audio", "Brightness": "image"}[node]
    text = f"inputs: {{it: {kind}}}\nnodes: {{a: {{use: Upper, with: {{text: x}}}}, b: {{use: {node}, in: {{{kind}: it}}}}}}\noutputs: {{a: a, b: b}}"
    with pytest.raises(studio.InputError):
        run_log(text, it=bad)
