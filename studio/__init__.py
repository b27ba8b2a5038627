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

    from studio.cache.cache import Cache
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
    from studio.executors import executor_class
    from studio.graph import Graph, load
    from studio.node.node import Node
    from studio.node.prompt import Prompt
    from studio.node.resources import Machine, Resources
    from studio.page import Page
    from studio.run.events import (
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
    from studio.run.result import Result
    from studio.run.trace import Trace
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
    "Page",
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
    "Trace",
    "UsageError",
    "Vector",
    "Video",
    "Warned",
    "executor_class",
    "load",
]

# Where each name lives. A name is imported when it is first used: `studio --help` needs none of them.
_HOMES = {
    "pydantic": ["Field"],
    "studio.cache.cache": ["Cache"],
    "studio.errors": [
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
    ],
    "studio.run.events": [
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
    ],
    "studio.executors": ["executor_class"],
    "studio.graph": ["Graph", "load"],
    "studio.node.node": ["Node"],
    "studio.page": ["Page"],
    "studio.node.prompt": ["Prompt"],
    "studio.node.resources": ["Machine", "Resources"],
    "studio.run.result": ["Result"],
    "studio.run.trace": ["Trace"],
    "studio.values": ["Audio", "Boxes", "File", "Image", "Segments", "Vector", "Video"],
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(importlib.import_module(module), name)
            return value
    raise AttributeError(f"module 'studio' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
