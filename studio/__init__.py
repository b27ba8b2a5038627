"""The i-Code Studio: graphs of AI models, checked, run in parallel, every intermediate output cached.

import studio

graph = studio.load("dub")
result = graph.run(speech="talk.wav", to="pt")
result["speech"].save("talk.pt.wav")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import Field

    from studio.cache import Cache
    from studio.errors import (
        Cancelled,
        EnvironmentMissing,
        GraphError,
        InputError,
        MissingExtra,
        MissingVariable,
        ModelUnavailable,
        Problem,
        ResourcesMissing,
        StepError,
        StoreError,
        StudioError,
        UsageError,
    )
    from studio.events import (
        Event,
        RunFinished,
        RunStarted,
        StepCached,
        StepEvent,
        StepFailed,
        StepFinished,
        StepLoading,
        StepReplaced,
        StepRestarted,
        StepSkipped,
        StepStarted,
        StepWaiting,
        Warned,
    )
    from studio.executors import executor_class
    from studio.graph import Graph, load
    from studio.node import Node
    from studio.prompt import Prompt
    from studio.resources import Machine, Resources
    from studio.result import Result
    from studio.values import Audio, Boxes, File, Image, Segments, Vector, Video

__all__ = [
    "Audio",
    "Boxes",
    "Cache",
    "Cancelled",
    "EnvironmentMissing",
    "Event",
    "Field",
    "File",
    "Graph",
    "GraphError",
    "Image",
    "InputError",
    "Machine",
    "MissingExtra",
    "MissingVariable",
    "ModelUnavailable",
    "Node",
    "Problem",
    "Prompt",
    "Resources",
    "ResourcesMissing",
    "Result",
    "RunFinished",
    "RunStarted",
    "Segments",
    "StepCached",
    "StepError",
    "StepEvent",
    "StepFailed",
    "StepFinished",
    "StepLoading",
    "StepReplaced",
    "StepRestarted",
    "StepSkipped",
    "StepStarted",
    "StepWaiting",
    "StoreError",
    "StudioError",
    "UsageError",
    "Vector",
    "Video",
    "Warned",
    "executor_class",
    "load",
]

# Where each name lives. A name is imported when it is first used: `studio --help` needs none of them.
_HOMES = {
    "pydantic": ("Field",),
    "studio.cache": ("Cache",),
    "studio.errors": (
        "Cancelled",
        "EnvironmentMissing",
        "GraphError",
        "InputError",
        "MissingExtra",
        "MissingVariable",
        "ModelUnavailable",
        "Problem",
        "ResourcesMissing",
        "StepError",
        "StoreError",
        "StudioError",
        "UsageError",
    ),
    "studio.events": (
        "Event",
        "RunFinished",
        "RunStarted",
        "StepCached",
        "StepEvent",
        "StepFailed",
        "StepFinished",
        "StepLoading",
        "StepReplaced",
        "StepRestarted",
        "StepSkipped",
        "StepStarted",
        "StepWaiting",
        "Warned",
    ),
    "studio.executors": ("executor_class",),
    "studio.graph": ("Graph", "load"),
    "studio.node": ("Node",),
    "studio.prompt": ("Prompt",),
    "studio.resources": ("Machine", "Resources"),
    "studio.result": ("Result",),
    "studio.values": ("Audio", "Boxes", "File", "Image", "Segments", "Vector", "Video"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(importlib.import_module(module), name)
            return value
    raise AttributeError(f"module 'studio' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
