"""Parts of a step: what decides its outputs besides its inputs, as plain data. The one way to describe a step.

Keys are made of it, and so are the recipes of workers and the identity by which a data set's run goes on. What
is secret in it (a field that holds a secret, what a variable of the environment holds) is a salted digest.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
from collections.abc import Callable

from pydantic import BaseModel

from studio.cache.file_digests import FileDigests
from studio.errors import StudioError
from studio.files import random_bytes_in
from studio.language.plan import Step
from studio.node.config import ConfigReader, Form
from studio.node.node import Node
from studio.paths import state_folder
from studio.values.digest import Uncacheable, of_data

__all__ = ["StepParts", "salt_of_user"]

_SHORTEST = 4  # letters; what is shorter stands in many texts by chance


class StepParts:
    """The parts of steps, with one salt for all that is secret."""

    def __init__(self, salt: Callable[[], bytes], files: FileDigests, weights_here: bool = True) -> None:
        """salt: asked for only where something is secret; it may raise Uncacheable.

        weights_here: or else a model whose weights cannot be found yet is described without them.
        """
        self._salt, self._files, self._weights_here = salt, files, weights_here
        self._reader = ConfigReader(self._salted, files)

    def of(self, step: Step, config: BaseModel) -> dict[str, Form]:
        """What decides the outputs of a step besides its code: its config, defaults applied, and its model.

        Uncacheable says what has no canonical form; ModelUnavailable that the weights are not here yet.
        """
        node = step.definition.node
        parts = {"config": self.config(node, config), "model": self.model(node, config)}
        return self._without_variables(step, parts) if step.variables else parts

    def config(self, node: type[Node], config: BaseModel) -> dict[str, Form]:
        """The fields of a config, whatever its variables were; its class, where that is not the node's own."""
        form: dict[str, Form] = self._reader.of(config)
        return form if type(config) is not node.Config else {name: form[name] for name in form if name != "!class"}

    def model(self, node: type[Node], config: BaseModel) -> Form:
        """What tells the weights apart."""
        try:
            found = node.identity(config, self._files)
        except StudioError:
            if self._weights_here:
                raise
            return None
        except Uncacheable:
            raise
        except Exception as error:
            raise Uncacheable(f"the identity of its model cannot be told: {error}") from None
        return self._reader.of(found, "the identity of its model")

    def _salted(self, form: Form) -> str:
        return of_data([self._salt(), json.dumps(form)])

    def _without_variables(self, step: Step, parts: dict[str, Form]) -> dict[str, Form]:
        """The same, where what a variable of the environment holds is known by how it is written, and a digest.

        It may have been put into other fields, too, and into what the node says of its model.
        """
        written = {name: step.settings[name] for name in step.variables}
        held = [os.environ.get(name, "") for names in step.variables.values() for name in names]
        told = [json.dumps(value)[1:-1] for value in held if len(value) >= _SHORTEST]

        def hidden(name: str, form: Form) -> Form:
            text = json.dumps(form)
            if name not in written and not any(value in text for value in told):
                return form
            return {"!env": [self._reader.of(written.get(name), "with"), self._salted(form)]}

        shown = {name: hidden(name, form) for name, form in parts["config"].items()}
        return {"config": shown, "model": hidden("", parts["model"])}


def salt_of_user() -> bytes:
    """Random bytes of this user, for what lies outside of any cache; of this process, where they cannot be kept."""
    return _salt_of(os.environ.get("STUDIO_STATE", ""))


@functools.cache
def _salt_of(_: str) -> bytes:
    """Those in the state folder, which this variable names."""
    folder = state_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return random_bytes_in(folder / "salt")
    except OSError:
        return secrets.token_bytes(32)
