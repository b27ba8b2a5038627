"""The i-Code Studio: graphs of AI models, checked, run in parallel, every intermediate output cached.

import studio

graph = studio.load("dub")
result = graph.run(speech="talk.wav", to="pt")
result["speech"].save("talk.pt.wav")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers: each name as itself, which makes it one of ours
    from pydantic import Field as Field

    from studio.cache.cache import Cache as Cache
    from studio.errors import Cancelled as Cancelled
    from studio.errors import EnvironmentMissing as EnvironmentMissing
    from studio.errors import GraphError as GraphError
    from studio.errors import InputError as InputError
    from studio.errors import MissingExtra as MissingExtra
    from studio.errors import MissingVariable as MissingVariable
    from studio.errors import ModelUnavailable as ModelUnavailable
    from studio.errors import Problem as Problem
    from studio.errors import ResourcesMissing as ResourcesMissing
    from studio.errors import StepError as StepError
    from studio.errors import StoreError as StoreError
    from studio.errors import StudioError as StudioError
    from studio.errors import UsageError as UsageError
    from studio.executors import executor_class as executor_class
    from studio.executors.pool.executor import PooledExecutor as PooledExecutor
    from studio.graph import Graph as Graph
    from studio.graph import load as load
    from studio.node.node import Node as Node
    from studio.node.prompt import Prompt as Prompt
    from studio.node.resources import Machine as Machine
    from studio.node.resources import Resources as Resources
    from studio.page import Page as Page
    from studio.run.events import Event as Event
    from studio.run.events import RunFinished as RunFinished
    from studio.run.events import RunStarted as RunStarted
    from studio.run.events import StepCached as StepCached
    from studio.run.events import StepEvent as StepEvent
    from studio.run.events import StepFailed as StepFailed
    from studio.run.events import StepFinished as StepFinished
    from studio.run.events import StepLoading as StepLoading
    from studio.run.events import StepLogged as StepLogged
    from studio.run.events import StepReplaced as StepReplaced
    from studio.run.events import StepRestarted as StepRestarted
    from studio.run.events import StepSkipped as StepSkipped
    from studio.run.events import StepStarted as StepStarted
    from studio.run.events import StepWaiting as StepWaiting
    from studio.run.events import Warned as Warned
    from studio.run.result import Result as Result
    from studio.run.trace import Trace as Trace
    from studio.values import Audio as Audio
    from studio.values import Boxes as Boxes
    from studio.values import File as File
    from studio.values import Image as Image
    from studio.values import Segments as Segments
    from studio.values import Vector as Vector
    from studio.values import Video as Video
    from studio.values.measures import Measures as Measures

# Where each name lives. A name is imported when it is first used: `studio --help` needs none of them.
_HOMES = {
    "studio.values.measures": ("Measures",),
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
        "StepLogged",
        "StepReplaced",
        "StepRestarted",
        "StepSkipped",
        "StepStarted",
        "StepWaiting",
        "Warned",
    ],
    "studio.executors": ["executor_class"],
    "studio.executors.pool.executor": ["PooledExecutor"],
    "studio.graph": ["Graph", "load"],
    "studio.node.node": ["Node"],
    "studio.page": ["Page"],
    "studio.node.prompt": ["Prompt"],
    "studio.node.resources": ["Machine", "Resources"],
    "studio.run.result": ["Result"],
    "studio.run.trace": ["Trace"],
    "studio.values": ["Audio", "Boxes", "File", "Image", "Segments", "Vector", "Video"],
}

__all__ = sorted(name for names in _HOMES.values() for name in names)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(importlib.import_module(module), name)
            return value
    raise AttributeError(f"module 'studio' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
