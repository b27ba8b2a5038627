"""TIFF files that Pillow reads otherwise than they are meant: put right, or refused."""

import struct
import zlib

import numpy as np
import pytest

from studio import Image

SIZE = 8
GREY = np.arange(SIZE * SIZE, dtype=np.int64).reshape(SIZE, SIZE) * 4
SIDE_BY_SIDE, PLANES = 1, 2


def tiff(order, planes, bits, *, format=1, deflated=False, photometric=1, planar=SIDE_BY_SIDE, more=()) -> bytes:
    """A file of one strip for each of the planes, which are arrays of numbers in the byte order of the file."""
    strips = [zlib.compress(plane.tobytes()) if deflated else plane.tobytes() for plane in planes]
    channels = len(planes) if planar == PLANES else planes[0].size // SIZE**2
    starts = [8 + sum(map(len, strips[:number])) for number in range(len(strips))]
    tags = {256: SIZE, 257: SIZE, 258: [bits] * channels, 259: 8 if deflated else 1, 262: photometric}
    tags |= {273: starts, 277: channels, 278: SIZE, 279: [len(strip) for strip in strips], 284: planar}
    tags |= {339: [format] * channels, **dict(more)}
    body = b"".join(strips)
    rest, entries, behind = b"", b"", 8 + len(body) + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        values = value if isinstance(value, list) else [value]
        kind = "I" if tag in (273, 279) else "H"
        told = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(told) > 4:
            rest, told = rest + told, struct.pack(f"{order}I", behind + len(rest))
        entries += struct.pack(f"{order}HHI", tag, 4 if kind == "I" else 3, len(values)) + told.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(body))
    return head + body + struct.pack(f"{order}H", len(tags)) + entries + b"\0" * 4 + rest


def grey(data) -> np.ndarray:
    return np.asarray(Image.from_bytes(data).rgb())[..., 0].astype(int)


def stretched(numbers) -> np.ndarray:
    return (numbers - numbers.min()) / (numbers.max() - numbers.min()) * 255


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize(
    ("bits", "format", "dtype", "numbers"),
    [
        (8, 2, "i1", GREY - 128),
        (16, 2, "i2", GREY * 200 - 25_000),
        (32, 2, "i4", GREY - 128),
        (32, 3, "f4", GREY - 9.5),
    ],
)
def test_numbers_with_a_sign(order, deflated, bits, format, dtype, numbers):
    data = tiff(order, [numbers.astype(order + dtype)], bits, format=format, deflated=deflated)
    assert grey(data) == pytest.approx(stretched(numbers), abs=1.01)


@pytest.mark.parametrize("deflated", [False, True])
def test_large_numbers_without_one(deflated):
    numbers = GREY * (2**32 // 256)
    assert grey(tiff("<", [numbers.astype("<u4")], 32, deflated=deflated)) == pytest.approx(
        stretched(numbers), abs=1.01
    )


@pytest.mark.parametrize("scale", [1, 257])
def test_a_palette_of_eight_or_of_sixteen_bits(scale):
    colours = [number * scale for channel in range(3) for number in range(256)]
    data = tiff("<", [GREY.astype(np.uint8)], 8, photometric=3, more={320: colours})
    assert (grey(data) == GREY).all()


def test_planes():
    eight = [GREY.astype(np.uint8)] * 3
    assert (grey(tiff("<", eight, 8, photometric=2, planar=PLANES)) == GREY).all()
    deep = [(GREY * 257).astype("<u2")] * 3
    assert (grey(tiff("<", deep, 16, photometric=2, planar=PLANES, deflated=True)) == GREY).all()
    with pytest.raises(ValueError, match="channels lie in planes"):
        Image.from_bytes(tiff("<", deep, 16, photometric=2, planar=PLANES))
    with pytest.raises(ValueError, match="channels lie in planes"):
        Image.from_bytes(tiff("<", eight[:2], 8, planar=PLANES, deflated=True, more={338: 2}))
