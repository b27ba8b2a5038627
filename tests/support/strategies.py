"""Strategies that make values, one for each kind; a kind without one fails the suite."""

import numpy as np
import PIL.Image
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from studio import Audio, Boxes, File, Image, Segments, Vector, Video

text = st.text(max_size=40)
finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.integers(-(10**30), 10**30) | finite
data = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
samples = nps.arrays(
    np.float32,
    st.integers(1, 50) | st.tuples(st.integers(1, 50), st.integers(1, 3)),
    elements=st.floats(-1, 1, width=32),
)
audio = st.builds(Audio, samples, st.sampled_from([1, 8000, 16000, 22050, 44100]))
dtypes = st.sampled_from(["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">f4", ">i2"])
vectors = st.builds(
    Vector, dtypes.flatmap(lambda dtype: nps.arrays(dtype, nps.array_shapes(max_dims=3, min_side=0, max_side=4)))
)
sides = st.integers(1, 7)


@st.composite
def pictures(draw):
    mode = draw(st.sampled_from(["1", "L", "LA", "RGB", "RGBA", "I;16", "P", "CMYK"]))
    size = (draw(sides), draw(sides))
    raw = draw(st.binary(min_size=size[0] * size[1] * 4, max_size=size[0] * size[1] * 4))
    width = {"1": (size[0] + 7) // 8, "I;16": 2 * size[0]}.get(
        mode, size[0] * len(PIL.Image.new(mode, (1, 1)).getbands())
    )
    return Image(PIL.Image.frombytes(mode, size, raw[: width * size[1]]))


times = st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)).map(sorted)
extra = st.dictionaries(st.sampled_from(["speaker", "words", "p"]), data, max_size=2)
segments = st.lists(
    st.builds(lambda t, text, more: {"start": t[0], "end": t[1], "text": text, **more}, times, text, extra), max_size=4
).map(Segments)
boxes = st.lists(
    st.builds(
        lambda x, y, label, score: {"box": [x[0], y[0], x[1], y[1]], "label": label, "score": score},
        times, times, text, st.floats(0, 1),
    ),
    max_size=4,
).map(Boxes)  # fmt: skip

OF = {
    "text": text,
    "number": numbers,
    "bool": st.booleans(),
    "data": data,
    "audio": audio,
    "image": pictures(),
    "video": st.binary(min_size=1, max_size=60).map(Video.from_bytes),
    "boxes": boxes,
    "segments": segments,
    "vector": vectors,
    "file": st.binary(min_size=1, max_size=60).map(File.from_bytes),
}
