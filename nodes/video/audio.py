"""The sound of a film, by PyAV (FFmpeg)."""

import numpy as np

from studio import Audio as Sound
from studio import Field, Node, Video

from ._container import decoded, opened


class Audio(Node):
    """The sound of a film, in one channel; absent where it has none, or where nothing can be heard in it."""

    version = "1"
    extra = "video"

    class Config(Node.Config):
        """At which rate, and what counts as silence."""

        rate: int | None = Field(None, ge=1000, le=768_000, description="samples a second; null: as the film has it")
        silence: float = Field(1e-3, ge=0, lt=1, description="a peak below this (1 is full scale) is silence")

    config: Config

    def run(self, video: Video) -> Sound | None:
        """Take it out."""
        with opened(video) as container:
            if not container.streams.audio:
                return None
            import av

            stream = container.streams.audio[0]
            rate = self.config.rate or stream.rate
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            frames = [*decoded(container, stream), None]  # the last: what the resampler still holds
            pieces = [piece.to_ndarray().ravel() for frame in frames for piece in resampler.resample(frame)]
        samples = np.concatenate(pieces or [np.zeros(0, np.float32)])
        if not samples.size or float(abs(samples).max()) <= self.config.silence:
            return None
        return Sound(samples, rate)
