"""Surroundings: the working folder and the environment of who asks for a task. They travel with it to other processes.

Processes of Ray live long: by themselves they would see the folder and the variables of when they were started.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from studio.paths import absolute
from studio.values.digest import of_bytes

__all__ = ["Surroundings"]

# What belongs to a process itself: Ray tells its own by these, and which GPUs and how many threads a worker has.
# The key of a tier is asked for where records are kept, and nowhere else.
_OWN = (
    "RAY_", "SPT_NOENV", "PYTHONBREAKPOINT", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES", "OMP_NUM_THREADS", "STUDIO_TIER_KEY",
)  # fmt: skip
# What describes a machine, or who is logged in there: on another machine it stays as it is there.
_OF_A_MACHINE = frozenset((
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "HOSTNAME", "PWD", "OLDPWD", "TMPDIR", "TMP", "TEMP", "DISPLAY",
    "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV",
))  # fmt: skip
_OF_A_MACHINE_ALL = ("LD_", "XDG_", "CONDA_", "SSH_", "DBUS_")
_OF_MODELS = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TORCH_HOME", "TOKENIZERS_", "XDG_CACHE", "STUDIO_MODELS")


@dataclass(frozen=True)
class Surroundings:
    """Those of one moment. No value of a variable is ever shown: there are secrets among them."""

    folder: str = ""  # empty where it was deleted
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    machine: str = ""
    whole: bool = True  # whether variables that are not there are to be gone

    @staticmethod
    def here() -> Surroundings:
        """Those of this process at this moment."""
        try:
            folder = os.getcwd()  # noqa: PTH109 it is asked for at every run
        except FileNotFoundError:
            folder = ""
        return Surroundings(folder, dict(os.environ), _machine())

    @cached_property
    def env(self) -> Mapping[str, str]:
        """The variables that are the caller's, and not of its process. That is worked out only where it is asked."""
        return {name: value for name, value in self.variables.items() if not name.startswith(_OWN)}

    @property
    def of_models(self) -> Surroundings:
        """With no variables but those that model libraries go by, to be added to what is there."""
        found = {name: value for name, value in self.variables.items() if name.startswith(_OF_MODELS)}
        return replace(self, variables=found, whole=False)

    @cached_property
    def tells_apart(self) -> tuple[str, str]:
        """What of them tells workers apart: of the shipped nodes, and of the caller's own."""
        variables = sorted(f"{name}={value}" for name, value in self.variables.items() if name.startswith(_OF_MODELS))
        texts = ("\0".join(variables), "\0".join([self.folder, *variables]))
        shipped, own = (of_bytes(os.fsencode(text))[:12] for text in texts)
        return shipped, own

    @property
    def left(self) -> bool:
        """Whether this process works in another folder by now."""
        return absolute() != Path(self.folder)

    def settle(self) -> None:
        """Makes them those of this process. What belongs to the process stays; so does a folder that is not here."""
        near = self.machine == _machine()
        env = {name: value for name, value in self.env.items() if near or not _of_a_machine(name)}
        if near and self.whole:
            for name in [name for name in os.environ if name not in env and not name.startswith(_OWN)]:
                del os.environ[name]
        os.environ.update(env)
        if self.folder:
            with contextlib.suppress(OSError):
                os.chdir(self.folder)

    def as_plain(self) -> list[Any]:
        """As plain lists, whose bytes are what the system says: that need not be Unicode."""
        env = [[os.fsencode(name), os.fsencode(value)] for name, value in self.env.items()]
        return [os.fsencode(self.folder), env, self.machine, self.whole]

    @staticmethod
    def from_plain(told: Sequence[Any]) -> Surroundings:
        """Back from plain lists."""
        folder, env, machine, whole = told
        variables = {os.fsdecode(name): os.fsdecode(value) for name, value in env}
        return Surroundings(os.fsdecode(folder), variables, machine, whole)


@cache
def _machine() -> str:
    return socket.gethostname()


def _of_a_machine(name: str) -> bool:
    return name in _OF_A_MACHINE or name.startswith(_OF_A_MACHINE_ALL)
