"""Speech to text by faster-whisper: Whisper on CTranslate2. https://github.com/SYSTRAN/faster-whisper"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from studio import Audio, Field, MissingExtra, Node, Resources

from .._gpu import for_ctranslate2
from .._hub import identify, loading, resolve
from ._whisper import PACKAGED, RATE, Heard, asked, heard, nothing, silent

_HUB = {
    "large": "Systran/faster-whisper-large-v3",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}


class FasterWhisper(Node):
    """Speech to text with times, by faster-whisper (Whisper on CTranslate2)."""

    version = "1"
    extra = "asr"
    licence = "MIT (Whisper weights and faster-whisper)"
    resources = Resources(gpus=0.25)

    class Config(Node.Config):
        """Which Whisper, and how it listens."""

        model: str = Field(
            "base",
            description="packaged: base (99 languages), tiny.en; or a size of Whisper (small, large-v3, turbo …), "
            "or a hub id or folder in the form of CTranslate2",
        )
        revision: str = Field("main", description="branch, tag or commit, for a hub id")
        task: Literal["transcribe", "translate"] = Field(
            "transcribe", description="write what is said, or translate it into English"
        )
        beam_size: int = Field(5, ge=1, le=20, description="hypotheses kept while decoding; 1 is fastest")
        vad: bool = Field(
            default=True, description="leave out parts without speech (Silero VAD), where Whisper would make things up"
        )
        prompt: str = Field("", description="words likely to be said, such as names, to help with their spelling")
        precision: Literal["auto", "int8", "float16", "float32"] = Field(
            "auto", description="auto: int8 on a CPU, float16 on a GPU"
        )

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The packaged digest, the hub's commit or the folder's content."""
        return identify(_hub_id(config.model), fingerprint, config.revision, PACKAGED)

    def setup(self) -> None:
        """Load the model."""
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise MissingExtra("faster-whisper", "asr") from error
        self.device = for_ctranslate2(self.device)
        kind, _, index = self.device.partition(":")
        with loading(self.config.model, "starter", PACKAGED):
            found = resolve(_hub_id(self.config.model), self.config.revision, PACKAGED)
            self.model = WhisperModel(
                found.source,
                device=kind,
                device_index=int(index or 0),
                compute_type=self._precision(),
                cpu_threads=self.threads,
                revision=found.commit or self.config.revision,
            )

    def run(self, audio: Audio, language: str | None = None) -> Heard:
        """Listen; without a language, find it out first."""
        language = asked(language, self.model.supported_languages, f"Whisper '{self.config.model}'")
        if silent(audio):
            return nothing(language)
        pieces, info = self.model.transcribe(
            audio.mono(RATE),
            language=language,
            task=self.config.task,
            beam_size=self.config.beam_size,
            initial_prompt=self.config.prompt or None,
            vad_filter=self.config.vad,
            temperature=0.0,  # the fallbacks at higher ones sample, and the same input must give the same output
            condition_on_previous_text=False,  # an error in one window would spread to the next
        )
        said = [(piece.start, piece.end, piece.text) for piece in pieces]
        return heard(said, self._written(info.language)) if said else nothing(language)

    def _written(self, language: str) -> str:
        return "en" if self.config.task == "translate" else language

    def _precision(self) -> str:
        if self.config.precision != "auto":
            return self.config.precision
        return "int8" if self.device == "cpu" else "float16"


def _hub_id(model: str) -> str:
    """A Whisper size as the hub id of its conversion; anything else as it is."""
    if model in PACKAGED or "/" in model or Path(model).exists():
        return model
    if model.startswith("distil-"):
        return f"Systran/faster-distil-whisper-{model.removeprefix('distil-')}"
    return _HUB.get(model, f"Systran/faster-whisper-{model}")
