"""How well texts describe a picture, without a model that was trained on pairs of them: ConSE.

Norouzi et al. 2013, "Zero-Shot Learning by Convex Combination of Semantic Embeddings",
https://arxiv.org/abs/1312.5650. A classifier's labels (`_lite0.py`) as vectors of a sentence model (`_minilm.py`),
weighed by their probabilities, make the picture's vector; the cosine to a text's vector is the score. Two departures,
both measured in docs/models.md: what all labels have in common is taken off every vector, or a picture that looks like
nothing would lie near the same few texts; and probabilities count by their square roots, so that second guesses do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from studio import Field, Image, Node

from .. import _lite0, _minilm
from .._packaged import derived

FORM = 1  # raise it when the vectors of labels are made in another way


class Conse(Node):
    """How well each text describes a picture: a cosine for each, by ConSE over EfficientNet-lite0 and MiniLM.

    It knows of a picture only which of ImageNet's 1,000 classes it looks like: good for telling unlike things apart,
    blind to number, action, place and people. Scores are not those of CLIP, nor on its scale.
    """

    version = "1"
    extra = "vision"
    licence = "Apache-2.0 (EfficientNet-lite0 and all-MiniLM-L6-v2 weights)"

    class Config(Node.Config):
        """How labels become vectors."""

        top: int = Field(100, ge=1, le=1000, description="labels of a picture that count")
        prompt: str = Field(
            "a photo of {}", pattern=r"\{\}", description="what is made of a label and of a text; {} is its place"
        )

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The recorded digests of both models."""
        return {"lite0": _lite0.PACKAGED["lite0"].digest, "minilm": _minilm.PACKAGED["minilm"].digest}

    def setup(self) -> None:
        """Load both models, and the vectors of the labels, made on first use."""
        self.classifier = _lite0.Classifier(self, "lite0")
        self.sentences = _minilm.Sentences(self)
        labels = self._labels()
        self.usual = labels.mean(0)
        self.labels = _minilm.unit(labels - self.usual)
        self.known: dict[tuple[str, ...], np.ndarray] = {}

    def run(self, image: Image, texts: list[str]) -> list[float]:
        """A cosine for each text, in their order."""
        return self.run_batch([{"image": image, "texts": texts}])[0]

    def run_batch(self, tasks: list[dict[str, Any]]) -> list[Any]:
        """Several pictures; texts that come again are read once."""
        chances = self.classifier.probabilities([task["image"] for task in tasks])
        pictures = [self._picture(row) for row in chances]
        return [
            [round(float(cosine), 6) for cosine in self._texts(task["texts"]) @ picture]
            for task, picture in zip(tasks, pictures, strict=True)
        ]

    def _picture(self, row: np.ndarray) -> np.ndarray:
        best = np.argsort(-row, kind="stable")[: self.config.top]
        return _minilm.unit(np.sqrt(row[best]) @ self.labels[best])

    def _texts(self, texts: list[str]) -> np.ndarray:
        key = tuple(texts)
        if key not in self.known:
            vectors = self.sentences.vectors([self._asked(text) for text in texts])
            self.known = {key: _minilm.unit(vectors - self.usual)}  # the last ones only
        return self.known[key]

    def _asked(self, text: str) -> str:
        return self.config.prompt.replace("{}", text)

    def _labels(self) -> np.ndarray:
        """(1000, 384): the labels as vectors; with the usual prompt kept for the next worker."""
        words = [self._asked(label) for label in self.classifier.labels]
        if self.config.prompt != self.Config().prompt:
            return self.sentences.vectors(words)
        digests = [_lite0.PACKAGED["lite0"].digest[:12], _minilm.PACKAGED["minilm"].digest[:12]]
        folder = derived(
            f"conse{FORM}-{'-'.join(digests)}",
            lambda target: np.save(target / "labels.npy", self.sentences.vectors(words)),
        )
        found: np.ndarray = np.load(folder / "labels.npy", allow_pickle=False)
        return found
