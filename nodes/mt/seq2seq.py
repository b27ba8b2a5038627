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
    """Text into another language, by a translation model of transformers (M2M-100, NLLB, Marian …).

    Lines, paragraphs, indents and the marks of lists stay. What looks like a mark of the model (`</s>`, `__fr__`,
    `>>fra<<`) is text. A sentence cut off by `max_tokens` is said in the log, and counts one `cut`.
    """

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
        """Translate sentence by sentence, in the same lines; text already in the target language stays as it is."""
        if not text.strip():
            return ""
        if same(source, target):
            return text
        options = self.tags.options(self.tokenizer, source, target)
        prefix = self.tags.prefix(target)
        return translated(
            text, target, lambda pieces: self._batches([prefix + _plain(piece) for piece in pieces], options)
        )

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
        if cut := self._cut(written.tolist()):
            print(f"{cut} sentences were cut off after {self.config.max_tokens} tokens (max_tokens)")
            self.measure(cut=cut)
        return [answer.strip() for answer in self.tokenizer.batch_decode(written, skip_special_tokens=True)]

    def _cut(self, written: list[list[int]]) -> int:
        """How many translations end only because they may not be longer; Marian and mBART are made to end there."""
        settings = self.model.generation_config
        ends = settings.eos_token_id if isinstance(settings.eos_token_id, list) else [settings.eos_token_id]
        last = -1 if settings.forced_eos_token_id is not None else None
        return sum(len(tokens) > self.config.max_tokens and {*ends}.isdisjoint(tokens[1:last]) for tokens in written)


def _plain(piece: str) -> str:
    """A piece that Marian does not take for one with a language's mark in front."""
    return f" {piece}" if piece.startswith(">>") else piece
