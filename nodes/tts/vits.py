"""Speech by a VITS model of transformers, such as Meta's MMS voices, one a language, for 1,100 languages.

Kim et al. 2021 (VITS), https://arxiv.org/abs/2106.06103; Pratap et al. 2023 (MMS), https://arxiv.org/abs/2305.13516,
https://huggingface.co/facebook/mms-tts.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from studio import Audio, Field, InputError, Node, Resources

from .._hub import identify
from .._languages import short
from .._transformers import pretrained
from ._letters import readable, sayable
from ._speech import joined, pieces

LONGEST = 300  # characters spoken at once


class Vits(Node):
    """Text to speech, by a VITS voice of transformers (MMS: one model a language).

    Letters that the voice does not know are left out, named in the log, and counted as `unspoken`.
    """

    version = "1"
    extra = "transformers"
    licence = "of the model chosen (the MMS voices are CC-BY-NC-4.0)"
    resources = Resources(gpus=0.25)

    class Config(Node.Config):
        """Which voice, and how it speaks."""

        model: str = Field(description="a hub id such as facebook/mms-tts-eng, or a folder, for VitsModel")
        revision: str = Field("main", description="branch, tag or commit, for a hub id")
        speed: float = Field(1.0, ge=0.5, le=2.0, description="1.0 is natural, 2.0 twice as fast")
        speaker: int = Field(0, ge=0, description="which speaker, in a model of several")
        seed: int = Field(0, ge=0, description="VITS samples rhythm and tone: another seed is another reading")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The hub's commit or the folder's content."""
        return identify(config.model, fingerprint, config.revision)

    def setup(self) -> None:
        """Load the model and its tokenizer."""
        self.tokenizer, self.model = pretrained(self, "VitsModel")
        self.letters = {*self.tokenizer.get_vocab()}

    def run(self, text: str, language: str) -> Audio:
        """Speak sentence by sentence, with pauses between."""
        own = getattr(self.tokenizer, "language", None)
        if own and short(own) != short(language):
            raise InputError(f"model '{self.config.model}' speaks {short(own)}, not '{language}'")
        text = sayable(self, readable(text), self._knows)
        found = pieces(text, lambda piece: len(piece) <= LONGEST)
        sound = [self._speak(piece.text) for piece in found]
        return joined(found, sound, int(self.model.config.sampling_rate))

    def _knows(self, letter: str) -> bool:
        """Whether the voice has a sound for a letter; where letters become others first, that cannot be told."""
        if getattr(self.tokenizer, "is_uroman", False) or getattr(self.tokenizer, "phonemize", False):
            return True
        return letter in self.letters or letter.lower() in self.letters

    def _speak(self, text: str) -> np.ndarray:
        import torch

        tokens = self.tokenizer(text, return_tensors="pt").to(self.device)
        if tokens["input_ids"].shape[-1] == 0:  # no letter that the model knows
            return np.zeros(0, np.float32)
        with torch.inference_mode(), torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            spoken = self.model(**tokens, speaking_rate=self._rate(), **self._speaker())
        return np.asarray(spoken.waveform[0].float().cpu())

    def _rate(self) -> float:
        return float(self.model.config.speaking_rate) * self.config.speed

    def _speaker(self) -> dict[str, int]:
        return {"speaker_id": self.config.speaker} if self.model.config.num_speakers > 1 else {}
