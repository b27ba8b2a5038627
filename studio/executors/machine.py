"""What this machine has: the one place that looks. It loads no GPU library."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from studio.node.resources import Machine

__all__ = ["this_machine"]


def this_machine() -> Machine:
    """CPUs this process may use, GPUs it may see, memory it may fill.

    `STUDIO_GPUS` declares a number of GPUs, for placement tests and for machines
    where the device files cannot be seen.
    """
    gpus = _gpus()
    return Machine(cpus=_cpus(), gpus=gpus, memory=_memory(), gpu_memory=_gpu_memory() if gpus else 0)


def _cpus() -> float:
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_cpus()
    return min(seen, quota) if quota else seen


def _cgroup_cpus() -> float | None:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1.0, int(quota) / int(period))


def _gpus() -> int:
    if declared := os.environ.get("STUDIO_GPUS"):
        return int(declared)
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def _gpu_memory() -> int:
    """Of the GPU that has least; 0 where nobody can say."""
    asked = shutil.which("nvidia-smi")
    if asked is None:
        return 0
    words = [asked, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603  our words
        return min(int(mebibytes) for mebibytes in told.stdout.split()) << 20
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def _memory() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return total
    return min(total, limit)
