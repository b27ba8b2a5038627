"""Phrases of a page: seconds, moments and counts, as people say them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["count_of", "moment_of", "seconds_of"]


def seconds_of(seconds: float) -> str:
    """Seconds with what counts of them: 3 ms, 0.25 s, 12.3 s, 4 min 5 s."""
    if seconds < 0.0005:
        return "0 s" if not seconds else "< 1 ms"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.2f} s"
    if seconds < 99.5:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment_of(at: float) -> str:
    """A moment, in UTC: a page is read anywhere."""
    return datetime.fromtimestamp(at, UTC).strftime("%-d %B %Y, %H:%M:%S UTC")


def count_of(count: int, thing: str) -> str:
    """1 step, 3 steps."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"
