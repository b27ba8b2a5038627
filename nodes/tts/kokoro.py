"""Speech by Kokoro, a small StyleTTS 2, on ONNX Runtime.

Model card: https://huggingface.co/hexgrad/Kokoro-82M; what it reads and its weights: `_kokoro.py`.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from studio import Audio, Field, InputError, MissingExtra, ModelUnavailable, Node

from .._hub import identify, resolve
from .._languages import spoken
from ._kokoro import PACKAGED, VOICES, phonemes
from ._letters import plain, readable, sayable, western
from ._speech import Piece, joined, pieces

RATE = 24_000
TOGETHER = 2  # threads on one piece; more of them are better spent on pieces side by side
LONGEST = 300  # phonemes at once; 510 is the most the model takes, and it hurries well before that


class Kokoro(Node):
    """Text to speech in English, Spanish, Italian and Portuguese, by Kokoro-82M.

    Letters of other scripts are left out, named in the log, and counted as `unspoken`; a text of nothing else is a
    short silence.
    """

    version = "1"
    extra = "tts"
    licence = "Apache-2.0 (Kokoro weights); its phonemes come from eSpeak NG, GPL-3"

    class Config(Node.Config):
        """Which voice, and how fast."""

        model: str = Field("82m", description="packaged: 82m; or a folder with model.onnx, vocab.json and voices.npz")
        voice: str = Field("jm_kumo", description="packaged: jm_kumo, jf_alpha, jf_gongitsune, jf_nezumi, jf_tebukuro")
        speed: float = Field(1.0, ge=0.5, le=2.0, description="1.0 is natural, 2.0 twice as fast")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The packaged digest or the folder's content."""
        return identify(config.model, fingerprint, packaged=PACKAGED)

    def setup(self) -> None:
        """Load the model, its alphabet and the voice."""
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra("onnxruntime", "tts") from error
        folder = Path(resolve(self.config.model, packaged=PACKAGED).source)
        if not (folder / "model.onnx").is_file():
            raise ModelUnavailable(
                f"'{self.config.model}' is neither packaged ({', '.join(PACKAGED)}) nor a folder with model.onnx"
            )
        self.alphabet: dict[str, int] = json.loads((folder / "vocab.json").read_text())["vocab"]
        self.style = _style(folder / "voices.npz", self.config.voice)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = min(TOGETHER, self.threads)
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0"
        )  # waiting must not cost other steps a core
        wanted = ["CUDAExecutionProvider"] if self.device != "cpu" else []
        providers = [
            name for name in [*wanted, "CPUExecutionProvider"] if name in onnxruntime.get_available_providers()
        ]
        self.session: Any = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=providers)

    def run(self, text: str, language: str) -> Audio:
        """Speak piece by piece, with pauses between."""
        language = spoken(language, list(VOICES), "tts.kokoro")
        text = sayable(self, plain(readable(text)), western)
        found = pieces(text, lambda piece: len(phonemes(piece, language)) <= LONGEST)
        with ThreadPoolExecutor(max(1, self.threads // TOGETHER)) as pool:
            sound = list(pool.map(lambda piece: self._speak(piece, language), found))
        return joined(found, sound, RATE)

    def _speak(self, piece: Piece, language: str) -> np.ndarray:
        known = [self.alphabet[letter] for letter in phonemes(piece.text, language) if letter in self.alphabet]
        if not known:
            return np.zeros(0, np.float32)
        feeds = {
            "tokens": np.array([[0, *known, 0]], np.int64),
            "style": self.style[len(known) - 1].reshape(1, -1),
            "speed": np.array([self.config.speed], np.float32),
        }
        return np.asarray(self.session.run(None, feeds)[0]).ravel()


def _style(path: Path, voice: str) -> np.ndarray:
    """The voice as a table: one style vector for each length of text."""
    with np.load(path) as voices:
        if voice not in voices:
            raise InputError(f"there is no voice '{voice}'; there is {', '.join(sorted(voices))}")
        return np.asarray(voices[voice], np.float32)
