"""Translation by any sequence-to-sequence model of transformers: M2M-100, NLLB, mBART-50, Marian (opus-mt).

Fan et al. 2020 (M2M-100), https://arxiv.org/abs/2010.11125, https://huggingface.co/facebook/m2m100_418M.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio import Field, Node, Resources

from .._hub import identify
from .._transformers import pretrained
from ._pieces import same, translated
from ._tags import Tags


class Seq2Seq(Node):
    """Text into another language, by a translation model of transformers (M2M-100, NLLB, Marian …)."""

    version = "1"
    extra = "transformers"
    licence = "of the model chosen; M2M-100, the default, is MIT (NLLB is CC-BY-NC)"
    resources = Resources(gpus=0.25)

    class Config(Node.Config):
        """Which model, and how it writes."""

        model: str = Field("facebook/m2m100_418M", description="a hub id or a folder, for AutoModelForSeq2SeqLM")
        revision: str = Field("main", description="branch, tag or commit, for a hub id")
        beam_size: int = Field(4, ge=1, le=20, description="hypotheses kept while decoding; 1 is fastest")
        max_tokens: int = Field(256, ge=1, description="longest translation of one sentence, in tokens")
        batch: int = Field(16, ge=1, description="sentences translated together")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """The hub's commit or the folder's content."""
        return identify(config.model, fingerprint, config.revision)

    def setup(self) -> None:
        """Load the model and its tokenizer."""
        self.tokenizer, self.model = pretrained(self, "AutoModelForSeq2SeqLM")
        self.tags = Tags.of(self.tokenizer, self.config.model)

    def run(self, text: str, source: str, target: str) -> str:
        """Translate sentence by sentence; text already in the target language stays as it is."""
        if not text.strip():
            return ""
        if same(source, target):
            return text
        options = self.tags.options(self.tokenizer, source, target)
        prefix = self.tags.prefix(target)
        return translated(text, lambda pieces: self._batches([prefix + piece for piece in pieces], options))

    def _batches(self, pieces: list[str], options: dict[str, Any]) -> list[str]:
        size = self.config.batch
        return [
            answer
            for start in range(0, len(pieces), size)
            for answer in self._translate(pieces[start : start + size], options)
        ]

    def _translate(self, pieces: list[str], options: dict[str, Any]) -> list[str]:
        import torch

        tokens = self.tokenizer(pieces, return_tensors="pt", padding=True, truncation=True).to(self.device)
        with torch.inference_mode():
            written = self.model.generate(
                **tokens,
                **options,
                num_beams=self.config.beam_size,
                do_sample=False,
                max_new_tokens=self.config.max_tokens,
            )
        return [answer.strip() for answer in self.tokenizer.batch_decode(written, skip_special_tokens=True)]
