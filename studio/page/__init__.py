"""A run as one HTML page that needs nothing else: what happened when, why, and every value."""

from __future__ import annotations

from studio.page.page import Page

__all__ = ["Page"]
