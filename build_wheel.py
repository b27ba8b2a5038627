"""Build hook: a wheel holds nodes, graphs and the command inside `studio` (docs/decisions/0003)."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Inside(BuildHookInterface[Any]):
    """An editable install keeps them where they are; a wheel would scatter common names otherwise."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Maps the three into the package, in real wheels alone."""
        if self.target_name == "wheel" and version == "standard":
            build_data["force_include"] |= {
                "nodes": "studio/nodes",
                "graphs": "studio/graphs",
                "cli.py": "studio/cli.py",
            }
