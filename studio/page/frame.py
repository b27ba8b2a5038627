"""Frame: what all pages have in common: their head, style and script, and that nothing of a value becomes HTML."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from studio.page.phrases import moment_of, seconds_of

if TYPE_CHECKING:
    import jinja2

__all__ = ["rendered"]

_HERE = Path(__file__).parent


def rendered(template: str, content: Mapping[str, Any]) -> str:
    """A page as text, from its template in this folder."""
    return _environment().get_template(template).render({**content, **_assets()})


@functools.cache
def _environment() -> jinja2.Environment:
    """What knows the templates: to compile one takes longer than to fill it in."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(seconds=seconds_of, moment=moment_of)
    return environment


def _assets() -> dict[str, Any]:
    """The style and the script, which are ours, and the digest by which the page lets that script alone run."""
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"style": Markup(style), "script": Markup(script), "script_digest": digest}  # noqa: S704 - files of ours
