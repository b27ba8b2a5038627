"""CircuitBreaker: what fails several times in a row is not tried again in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from studio.cache.tier.request import Request
from studio.cache.tier.storage import in_words

__all__ = ["CircuitBreaker"]

T = TypeVar("T")

_MOST_FAILURES = 3  # in a row


class CircuitBreaker:
    """Waits for requests of one kind, and opens when too many in a row have failed. It never closes again."""

    def __init__(self, message: str, warn: Callable[[str], None]) -> None:
        """When it opens, `warn` is told the message; `{}` in it becomes the reason."""
        self.is_open = False
        self._failures = 0
        self._message, self._warn = message, warn
        self._mutex = threading.Lock()

    def outcome(self, request: Request[T], seconds: float) -> T | None:
        """What a request returned in time; None if it failed or was too slow."""
        try:
            found = request.outcome(seconds)
        except Exception as error:
            self._count_failure(in_words(error))
            return None
        self._failures = 0
        return found

    def open(self) -> None:
        """Opens it without a word."""
        self.is_open = True

    def _count_failure(self, reason: str) -> None:
        with self._mutex:
            self._failures += 1
            if self.is_open or self._failures < _MOST_FAILURES:
                return
            self.is_open = True
        self._warn(self._message.format(reason))
