"""Out of memory: whether an error says so, and giving back what can be. It knows no library by import."""

from __future__ import annotations

import gc
import re
import sys

from studio.errors import StudioError

__all__ = ["give_back", "is_shortage"]

# What libraries say, each in an exception of its own or in a plain RuntimeError.
# From torch on a GPU, "CUDA out of memory. Tried to allocate 2.00 GiB." (OutOfMemoryError); in cuBLAS under it,
# "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"; on a CPU,
# "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes. … (Cannot allocate memory)".
# From CTranslate2 one reads "CUDA failed with error out of memory",
# from ONNX Runtime "Failed to allocate memory for requested buffer of size 8",
# from OpenCV "(-4:Insufficient memory) Failed to allocate 8 bytes in function 'OutOfMemoryError'".
# NumPy ("Unable to allocate 8 GiB for an array") and C++ ("std::bad_alloc") arrive as a MemoryError.
_SAYS_SO = re.compile(
    r"\bout of memory\b|failed to allocate (memory|\d)|can(no|')t allocate memory|CUBLAS_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)


def is_shortage(error: BaseException) -> bool:
    """Whether memory ran out: of the machine or of a GPU."""
    if isinstance(error, StudioError):  # in our own words, which may speak of memory
        return False
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or bool(_SAYS_SO.search(str(error)))
    )


def give_back() -> None:
    """Lets go of what nobody uses any more, in torch's own stock too: another action needs it."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
