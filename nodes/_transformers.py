"""A model of transformers and its tokenizer (or processor), loaded where a node says, ready to be used."""

from typing import Any

from studio import MissingExtra, Node

from ._gpu import for_torch
from ._hub import loading, resolve


def pretrained(node: Node, model: str, tokenizer: str = "AutoTokenizer") -> tuple[Any, Any]:
    """The tokenizer and the model that `node.config` names, by these classes, the model on the node's device."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("transformers", "transformers") from error
    torch.set_num_threads(node.threads)
    node.device = for_torch(node.device)
    with loading(node.config.model, "transformers"):
        found = resolve(node.config.model, node.config.revision)
        commit = found.commit or node.config.revision
        words: Any = getattr(transformers, tokenizer).from_pretrained(found.source, revision=commit)
        weights: Any = getattr(transformers, model).from_pretrained(found.source, revision=commit)
    return words, weights.to(node.device).eval()
