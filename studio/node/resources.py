"""What one worker asks for, and what a machine has. Data only: nothing here looks at a machine."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from studio.units import parse_bytes, show_bytes

__all__ = ["Machine", "Resources"]


class Resources(BaseModel):
    """What one worker asks for. Zero claims nothing: it runs beside others and may use every core.

    cpus: cores held while a task runs, and the threads its libraries use.
    gpus: GPUs held while the worker is resident; a fraction shares one, a whole number takes so many.
    memory: bytes held while the worker is resident ('2G').
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus: float = Field(
        0, ge=0, allow_inf_nan=False, description="CPU cores held while a task runs; also the threads used"
    )
    gpus: float = Field(
        0, ge=0, allow_inf_nan=False, description="GPUs held while the worker is resident; a fraction shares one"
    )
    memory: int = Field(0, ge=0, description="memory held while resident, in bytes or like '2G'")

    @field_validator("memory", mode="before")
    @classmethod
    def _memory(cls, value: object) -> object:
        return parse_bytes(value) if isinstance(value, str) else value

    @field_validator("gpus")
    @classmethod
    def _gpus(cls, value: float) -> float:
        if value > 1 and value != int(value):
            raise ValueError("above one, GPUs are asked for whole: 1, 2, 3 …")
        return value

    def __str__(self) -> str:
        asked = [f"{self.cpus:g} CPUs"] if self.cpus else []
        asked += [f"{self.gpus:g} GPUs"] if self.gpus else []
        asked += [show_bytes(self.memory)] if self.memory else []
        return ", ".join(asked) or "nothing in particular"


class Machine(BaseModel):
    """What one machine has to give."""

    model_config = ConfigDict(frozen=True)

    cpus: float = 1
    gpus: int = 0
    memory: int = 1 << 30
    gpu_memory: int = 0  # bytes of the smallest GPU; 0 where that is not known

    def fits(self, need: Resources) -> bool:
        """Whether a worker of this need could ever run here, alone."""
        return need.cpus <= self.cpus and need.gpus <= self.gpus and need.memory <= self.memory

    def __str__(self) -> str:
        return f"{self.cpus:g} CPUs, {self.gpus} GPUs, {show_bytes(self.memory)}"
