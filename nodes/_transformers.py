"""A model of transformers and its tokenizer (or processor), loaded where a node says, ready to be used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio import MissingExtra, Node

from ._gpu import for_torch
from ._hub import Model, loading, resolve


def pretrained(
    node: Node, model: str, tokenizer: str = "AutoTokenizer", *, folder: Path | None = None, instead: str = ""
) -> tuple[Any, Any]:
    """The tokenizer and the model that `node.config` names, by these classes, the model on the node's device.

    To the tokenizer a text is text: `[SEP]`, `</s>` or `<|endoftext|>` in it are letters, and no marks of the model.

    folder: load this in place of what the config names.  instead: a way out to name where the weights are absent.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("transformers", node.extra or "transformers") from error
    torch.set_num_threads(node.threads)
    node.device = for_torch(node.device)
    with _quiet(), loading(node.config.model, "transformers", instead=instead):
        found = Model(str(folder)) if folder else resolve(node.config.model, node.config.revision)
        commit = found.commit or node.config.revision
        # half precision is slow on most CPUs; on a GPU the checkpoint's own is taken
        precision = torch.float32 if node.device == "cpu" else "auto"
        words: Any = getattr(transformers, tokenizer).from_pretrained(found.source, revision=commit)
        weights: Any = getattr(transformers, model).from_pretrained(found.source, revision=commit, dtype=precision)
    getattr(words, "tokenizer", words).split_special_tokens = True
    return words, weights.to(node.device).eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars: in the log of a step each of their pictures would be a line."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
