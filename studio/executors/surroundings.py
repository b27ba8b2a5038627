"""Surroundings: the working folder and the environment of who asks for a task. They travel with it to other processes.

Processes of Ray live long: by themselves they would see the folder and the variables of when they were started.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

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
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    path: Sequence[str] = field(default=(), repr=False)  # where Python looks for modules, apart from its own places
    machine: str = ""
    whole: bool = True  # whether variables that are not there are to be gone

    @staticmethod
    def here() -> Surroundings:
        """Those of this process at this moment."""
        try:
            folder = os.getcwd()  # noqa: PTH109 it is asked for at every run
        except FileNotFoundError:
            folder = ""
        env = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
        ours = (sys.prefix, sys.base_prefix)
        path = [os.path.join(folder, place) for place in sys.path if not place.startswith(ours)]  # noqa: PTH118
        return Surroundings(folder, env, tuple(path), socket.gethostname())

    @property
    def of_models(self) -> Surroundings:
        """With no variables but those that model libraries go by, to be added to what is there."""
        return replace(self, env=self.model_variables, whole=False)

    @property
    def model_variables(self) -> dict[str, str]:
        """The variables that model libraries go by."""
        return {name: self.env[name] for name in sorted(self.env) if name.startswith(_OF_MODELS)}

    def settle(self) -> None:
        """Makes them those of this process. What belongs to the process stays; so does a folder that is not here."""
        near = self.machine == socket.gethostname()
        env = {name: value for name, value in self.env.items() if near or not _of_a_machine(name)}
        if near and self.whole:
            for name in [name for name in os.environ if name not in env and not name.startswith(_OWN)]:
                del os.environ[name]
        os.environ.update(env)
        sys.path += [place for place in self.path if place not in sys.path]
        if self.folder:
            with contextlib.suppress(OSError):
                os.chdir(self.folder)

    def as_plain(self) -> list[Any]:
        """As plain lists, whose bytes are what the system says: that need not be Unicode."""
        env = [[os.fsencode(name), os.fsencode(value)] for name, value in self.env.items()]
        return [os.fsencode(self.folder), env, list(map(os.fsencode, self.path)), self.machine, self.whole]

    @staticmethod
    def from_plain(told: Sequence[Any]) -> Surroundings:
        """Back from plain lists."""
        folder, env, path, machine, whole = told
        variables = {os.fsdecode(name): os.fsdecode(value) for name, value in env}
        return Surroundings(os.fsdecode(folder), variables, tuple(map(os.fsdecode, path)), machine, whole)


def _of_a_machine(name: str) -> bool:
    return name in _OF_A_MACHINE or name.startswith(_OF_A_MACHINE_ALL)
