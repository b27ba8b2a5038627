"""How well texts describe a picture, without a model that was trained on pairs of them: ConSE.

Norouzi et al. 2013, "Zero-Shot Learning by Convex Combination of Semantic Embeddings",
https://arxiv.org/abs/1312.5650. A classifier's labels (`_lite0.py`) as vectors of a sentence model (`_minilm.py`),
weighed by their probabilities, make the picture's vector, which is compared with a text's. Four departures, all
measured in docs/models.md: what all labels have in common is taken off every vector, or a picture that looks like
nothing would lie near the same few texts; probabilities count by their square roots, so that second guesses do; they
are of the picture's middle and of the whole of it, as films are wide; and a text's cosine is divided by that to the
labels nearest to it, or texts of what labels name would always come before texts of what they hardly do (as Conneau et
al. 2018, "Word Translation Without Parallel Data", https://arxiv.org/abs/1710.04087, have it with a difference).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from studio import Field, Image, Node

from .. import _lite0, _minilm
from .._packaged import derived

FORM = 1  # raise it when the vectors of labels are made in another way
NEAR = 10  # labels nearest to a text, which tell what it could reach; as many as in Conneau et al.


class Conse(Node):
    """How well each text describes a picture: a score for each, by ConSE over EfficientNet-lite0 and MiniLM.

    It knows of a picture only which of ImageNet's 1,000 classes it looks like: good for telling unlike things apart,
    blind to number, action, place and people. At 0 a text has nothing to do with the picture, at 1 it is as near as
    its nearest classes are to it. Scores are not those of CLIP, nor on its scale.
    """

    version = "2"
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
        """A score for each text, in their order."""
        return self.run_batch([{"image": image, "texts": texts}])[0]

    def run_batch(self, tasks: list[dict[str, Any]]) -> list[Any]:
        """Several pictures; texts that come again are read once."""
        images = [task["image"] for task in tasks]
        middles, wholes = (self.classifier.probabilities(images, whole=whole) for whole in (False, True))
        pictures = [self._picture(row) for row in (middles + wholes) / 2]
        return [
            [round(float(score), 6) for score in self._texts(task["texts"]) @ picture]
            for task, picture in zip(tasks, pictures, strict=True)
        ]

    def _picture(self, row: np.ndarray) -> np.ndarray:
        best = np.argsort(-row, kind="stable")[: self.config.top]
        return _minilm.unit(np.sqrt(row[best]) @ self.labels[best])

    def _texts(self, texts: list[str]) -> np.ndarray:
        key = tuple(texts)
        if key not in self.known:
            vectors = _minilm.unit(self.sentences.vectors([self._asked(text) for text in texts]) - self.usual)
            reach = np.sort(vectors @ self.labels.T)[:, -NEAR:].mean(1, keepdims=True)
            self.known = {key: vectors / reach}  # the last ones only
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
