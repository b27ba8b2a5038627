"""State: the folder in which a user's Studio remembers what runs now and what workers weighed. Not the cache."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["state_folder"]


def state_folder() -> Path:
    """$STUDIO_STATE, or the user's own state folder; it need not exist."""
    return Path(os.environ.get("STUDIO_STATE") or platformdirs.user_state_path("icode-studio"))
