"""Sounds one after the other."""

import numpy as np

from studio import Audio, Field, Node

_RATE = 16_000  # where nothing says which


class Join(Node):
    """Sounds joined in order, all brought to the rate of the first and to one channel, with silence between them.

    Of no sounds at all it makes half a second of silence.
    """

    version = "1"
    inline = True

    class Config(Node.Config):
        """How long the silences are, and at which rate the result is."""

        gap: float = Field(0.0, ge=0, le=3600, description="seconds of silence between neighbours")
        rate: int | None = Field(None, ge=1, le=1_000_000, description="samples a second; none: as the first has")

    config: Config

    def run(self, audios: list[Audio]) -> Audio:
        """Join them."""
        if not audios:
            return Audio(np.zeros((self.config.rate or _RATE) // 2, np.float32), self.config.rate or _RATE)
        rate = self.config.rate or audios[0].rate
        silence = np.zeros(round(self.config.gap * rate), np.float32)
        pieces = [piece for audio in audios for piece in (silence, audio.mono(rate))][1:]
        return Audio(np.concatenate(pieces), rate)
