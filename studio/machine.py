"""What this machine has: the one place that looks. It loads no GPU library."""

from __future__ import annotations

import os
from pathlib import Path

from studio.resources import Machine

__all__ = ["this_machine"]


def this_machine() -> Machine:
    """CPUs this process may use, GPUs it may see, memory it may fill.

    `STUDIO_GPUS` declares a number of GPUs, for placement tests and for machines
    where the device files cannot be seen.
    """
    return Machine(cpus=_cpus(), gpus=_gpus(), memory=_memory())


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


def _memory() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return total
    return min(total, limit)
