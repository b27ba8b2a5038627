"""A text as a vector: by the packaged MiniLM (`_minilm.py`), or by any sentence model of transformers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studio import Field, Node, Resources, Vector

from .._hub import identify
from .._minilm import LONGEST, PACKAGED, Sentences, pooled
from .._transformers import pretrained


class Text(Node):
    """A text as a vector of length 1 (384 numbers by default): the cosine of two tells how close they are in meaning.

    By all-MiniLM-L6-v2, which was trained on English; it reads the first 256 tokens. Models from the hub take the mean
    over the tokens, as most sentence models want it.
    """

    version = "1"
    extra = "embed"
    licence = "Apache-2.0 (all-MiniLM-L6-v2 weights)"
    resources = Resources(cpus=1)

    class Config(Node.Config):
        """Which model."""

        model: str = Field(
            "minilm", description="packaged: minilm; or a hub id or a folder, for AutoModel (needs 'transformers')"
        )
        revision: str = Field("main", description="branch, tag or commit, for a hub id")
        prefix: str = Field("", description="put before each text, where a model wants one, such as 'query: '")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The packaged digest, the hub's commit or the folder's content."""
        return identify(config.model, fingerprint, config.revision, PACKAGED)

    def setup(self) -> None:
        """Load the model."""
        if self.config.model in PACKAGED:
            self.vectors = Sentences(self).vectors
        else:
            self.tokenizer, self.model = pretrained(self, "AutoModel")
            self.vectors = self._by_transformers

    def run(self, text: str) -> Vector:
        """Give its vector."""
        return self.run_batch([{"text": text}])[0]

    def run_batch(self, tasks: list[dict[str, Any]]) -> list[Any]:
        """Several texts at once."""
        found = self.vectors([self.config.prefix + task["text"] for task in tasks])
        return [Vector(vector) for vector in found]

    def _by_transformers(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        tokens = self.tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=_longest(self.tokenizer)
        ).to(self.device)
        with torch.inference_mode():
            states = self.model(**tokens).last_hidden_state
        return pooled(states.float().cpu().numpy(), tokens["attention_mask"].cpu().numpy())


def _longest(tokenizer: Any) -> int:
    """Tokens a model reads; where its tokenizer does not know, as many as MiniLM."""
    limit = int(tokenizer.model_max_length)
    return limit if limit < 1_000_000 else LONGEST
