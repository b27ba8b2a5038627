"""Speech to text by openai-whisper, OpenAI's own PyTorch code. https://github.com/openai/whisper"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from studio import Audio, Field, MissingExtra, ModelUnavailable, Node, Resources

from .._gpu import for_torch
from .._hub import loading, local_path
from .._packaged import derived
from ._ct2 import FORM, convert
from ._whisper import PACKAGED, RATE, Heard, asked, heard, nothing, silent

_LATEST = {"large": "large-v3", "turbo": "large-v3-turbo"}


class Whisper(Node):
    """Speech to text with times, by openai-whisper (PyTorch)."""

    version = "1"
    extra = "whisper"
    licence = "MIT (Whisper weights and openai-whisper)"
    resources = Resources(gpus=0.25)

    class Config(Node.Config):
        """Which Whisper, and how it listens."""

        model: str = Field(
            "base",
            description="packaged: base (99 languages), tiny.en; or a size of Whisper (small, turbo …) or a .pt file",
        )
        task: Literal["transcribe", "translate"] = Field(
            "transcribe", description="write what is said, or translate it into English"
        )
        beam_size: int = Field(1, ge=1, le=20, description="hypotheses kept while decoding; 1 is fastest")
        prompt: str = Field("", description="words likely to be said, such as names, to help with their spelling")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The packaged digest, or the content of the checkpoint."""
        if config.model in PACKAGED:
            return {"packaged": config.model, "sha256": PACKAGED[config.model].digest}
        checkpoint = local_path(config.model) or _downloaded(config.model)
        if not checkpoint.is_file():
            raise ModelUnavailable(f"Whisper '{config.model}' is not downloaded yet ({checkpoint})")
        return {"content": fingerprint(checkpoint)}

    def setup(self) -> None:
        """Load the model."""
        try:
            import torch
            import whisper
        except ImportError as error:
            raise MissingExtra("openai-whisper", "whisper") from error
        torch.set_num_threads(self.threads)
        self.device = for_torch(self.device)
        if self.config.model in PACKAGED:
            self.model = _packaged(self.config.model).to(self.device)
        else:
            with loading(self.config.model, "starter", PACKAGED):
                self.model = whisper.load_model(
                    str(local_path(self.config.model) or self.config.model), device=self.device
                )
        self.languages = list(whisper.tokenizer.LANGUAGES) if self.model.is_multilingual else ["en"]

    def run(self, audio: Audio, language: str | None = None) -> Heard:
        """Listen; without a language, find it out first."""
        language = asked(language, self.languages, f"Whisper '{self.config.model}'")
        if silent(audio):
            return nothing(language)
        answer = self.model.transcribe(
            audio.mono(RATE).copy(),  # torch wants one that it could write to
            language=language,
            task=self.config.task,
            beam_size=self.config.beam_size if self.config.beam_size > 1 else None,
            initial_prompt=self.config.prompt or None,
            fp16=self.device != "cpu",
            temperature=0.0,  # the fallbacks at higher ones sample, and the same input must give the same output
            condition_on_previous_text=False,  # an error in one window would spread to the next
        )
        said = [piece for piece in answer["segments"] if not _made_up(piece)]
        written = "en" if self.config.task == "translate" else answer["language"]
        return (
            heard([(piece["start"], piece["end"], piece["text"]) for piece in said], written)
            if said
            else nothing(language)
        )


def _made_up(piece: dict[str, Any]) -> bool:
    """Whether a segment is likely noise put into words: unlikely ones, or the same ones over and over."""
    unlikely = piece["no_speech_prob"] > 0.6 and piece["avg_logprob"] < -0.5
    return bool(unlikely or (piece["no_speech_prob"] > 0.2 and piece["compression_ratio"] > 2.4))


def _packaged(name: str) -> Any:
    """A packaged model, brought into openai-whisper's form on first use."""
    import safetensors.torch
    from whisper.model import ModelDimensions, Whisper

    weights = PACKAGED[name]
    folder = derived(
        f"{weights.name}-openai{FORM}-{weights.digest[:12]}", lambda target: convert(weights.folder(), target)
    )
    model = Whisper(ModelDimensions(**json.loads((folder / "dims.json").read_text())))
    model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
    return model.eval()


def _downloaded(name: str) -> Path:
    """Where openai-whisper keeps the checkpoint that it calls `name`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    return cache / "whisper" / f"{_LATEST.get(name, name)}.pt"
