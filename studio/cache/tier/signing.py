"""Signing: a record from the tier is believed if who wrote it holds the key that all who share the tier hold.

A record decides which outputs a step has, so whoever could write one could say anything: docs/decisions/0015.
"""

from __future__ import annotations

import hmac

__all__ = ["Signer"]

_TAG = b"studio tier record 1\n"  # a signature under this key for another purpose is none of a record


class Signer:
    """Signs with HMAC-SHA256, and verifies. Without a key a constant stands in the place of the signature."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    @property
    def has_key(self) -> bool:
        """Whether its signatures prove anything."""
        return self._key is not None

    def sign(self, body: bytes) -> bytes:
        """The body, and behind it a line with its signature."""
        return body + b"\n" + self._signature(body)

    def verified(self, signed: bytes) -> bytes | None:
        """The body of what was signed, if the signature is right."""
        body, _, signature = signed.rpartition(b"\n")
        return body if hmac.compare_digest(signature, self._signature(body)) else None

    def _signature(self, body: bytes) -> bytes:
        return hmac.new(self._key, _TAG + body, "sha256").hexdigest().encode() if self._key else b"unsigned"
