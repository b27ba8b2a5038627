"""Cluster: a private Ray that leaves nothing behind, or somebody's that is there. It knows no worker and no task."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from studio.node.resources import Machine

__all__ = ["PATIENCE", "begin_private", "end_private", "join", "least_used", "new_session", "processes_of"]

PATIENCE = 4.0  # seconds that Ray gets to end by itself: it mostly takes one and a half


def _environment() -> None:
    """What must be said before Ray is loaded."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # by default its workers give way to everything else
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def join() -> Machine:
    """Joins the cluster that is there, and says what its largest machine has."""
    _environment()
    import ray

    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    totals = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    most = {name: max(total.get(name, 0) for total in totals) for name in ("CPU", "GPU", "memory")}
    return Machine(cpus=most["CPU"], gpus=int(most["GPU"]), memory=int(most["memory"]))


def least_used(used: Callable[[str], Any]) -> Any:
    """Where Ray is to put a worker: the machine of the cluster that is used the least, as `used` tells of its id.

    There and nowhere else: a soft affinity Ray drops now and then where a machine is merely busy. If the
    machine goes before the worker is there, the worker has died, and another is started elsewhere.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    machines = [node["NodeID"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return NodeAffinitySchedulingStrategy(min(machines, key=used), soft=False)


def begin_private(machine: Machine, session: Path) -> None:
    """Starts a cluster that nobody else can reach, and that leaves nothing behind."""
    _environment()
    if "ray" not in sys.modules:  # Ray reads these when it is loaded, and its processes when they start
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(16))
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    ray.init(
        address="local",
        num_cpus=max(1, int(machine.cpus)),
        num_gpus=machine.gpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(session),
    )
    _hush()


def _hush() -> None:
    """Keeps Ray's remarks on workers off stdout: what matters in them, our own events say."""
    import ray._private.worker

    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda *_, **__: None


def new_session() -> Path:
    """A folder for a private cluster. Those of processes that were killed are swept on the way."""
    place = Path(tempfile.gettempdir())
    for left in place.glob("studio-*-*"):
        owner = left.name.split("-")[1]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"studio-{os.getpid()}-"))


def processes_of(session: Path) -> list[psutil.Process]:
    """The processes of a private cluster."""
    return [process for process in psutil.Process().children(recursive=True) if _of_session(process, session)]


def end_private(session: Path, processes: list[psutil.Process]) -> None:
    """Ends what is left of a private cluster."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=1)
    shutil.rmtree(session, ignore_errors=True)


def _of_session(process: psutil.Process, session: Path) -> bool:
    """Whether a process is one of Ray's: never end what the caller's own program started."""
    try:
        words = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return str(session) in words or words.startswith("ray::")
