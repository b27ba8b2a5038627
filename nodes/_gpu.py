"""Whether a library here can use the GPU that a worker was given. Where not, the CPU works, and the node says so."""

import ctypes
import importlib.metadata

NEEDED = {"libcublas.so.12": "nvidia-cublas-cu12", "libcudnn.so.9": "nvidia-cudnn-cu12"}  # by CTranslate2


def for_torch(device: str) -> str:
    """The device, or the CPU where this build of torch knows no GPU."""
    import torch

    if device == "cpu" or torch.cuda.is_available():
        return device
    return _instead(device, "this build of torch knows no GPU")


def for_ctranslate2(device: str) -> str:
    """The device, or the CPU where CTranslate2 lacks a GPU or the CUDA libraries that it opens by name."""
    if device == "cpu":
        return device
    import ctranslate2

    if not ctranslate2.get_cuda_device_count():
        return _instead(device, "CTranslate2 sees no GPU")
    missing = [package for library, package in NEEDED.items() if not _opened(library, package)]
    return _instead(device, f"it needs: pip install {' '.join(missing)}") if missing else device


def _opened(library: str, package: str) -> bool:
    """Opens a library: the system's, or the one in its wheel, where the loader would not look."""
    for path in [library, *_in_wheel(library, package)]:
        try:
            ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return True
    return False


def _in_wheel(library: str, package: str) -> list[str]:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [str(file.locate()) for file in files if file.name == library]


def _instead(device: str, why: str) -> str:
    print(f"not on {device} but on the CPU: {why}")
    return "cpu"
