"""Recordings: sounds made here and written by FFmpeg as any codec and container, with the times that a test wants."""

from fractions import Fraction
from pathlib import Path

import numpy as np

__all__ = ["loud", "tone", "written"]


def tone(seconds, rate=16_000, pitch=440.0, peak=0.4):
    """A sine, float32 of shape (n,)."""
    return (peak * np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * pitch / rate)).astype(np.float32)


def written(path: Path, codec: str, channels, rate=16_000, *, begins=0.0, gap=(0.0, 0.0), bit_rate=64_000, **options):
    """The path of a sound file: `channels` is (n,) or (channels, n).

    begins: seconds that all time stamps are later; gap: from which second on, and how many seconds they are later still.
    """
    import av

    channels = np.atleast_2d(channels)
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[len(channels)]
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=layout)
        frame.rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        context = stream.codec_context
        cut = av.AudioResampler(
            format=context.format.name, layout=layout, rate=rate, frame_size=context.frame_size or 1024
        )
        for piece in [*cut.resample(frame), *cut.resample(None)]:
            later = begins + (gap[1] if piece.pts >= gap[0] * rate else 0)
            piece.pts += round(later * rate)
            container.mux(stream.encode(piece))
        container.mux(stream.encode())
    return path


def loud(samples, rate, level=0.02):
    """From which to which second something can be heard."""
    heard = np.flatnonzero(np.abs(samples).reshape(len(samples), -1).max(axis=1) > level)
    return heard[0] / rate, (heard[-1] + 1) / rate
