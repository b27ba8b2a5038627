"""Channel: plain data over a socket, message by message. It knows nothing of what the messages say.

A message is JSON in which byte strings are left out and follow behind it, so that a large value is
neither escaped nor pickled.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from typing import Any

__all__ = ["Channel", "ChannelClosed"]

_HEAD = struct.Struct("!II")  # length of the JSON, number of byte strings
_SIZE = struct.Struct("!Q")
_MOST_JSON = 1 << 30
_HOLE = "\0bytes"


class ChannelClosed(Exception):
    """The other side has gone."""


class Channel:
    """One end of a connection. Any thread may send; one at a time receives."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._sending = threading.Lock()

    def send(self, message: list[Any]) -> None:
        """Sends plain data: None, bool, numbers, text, bytes, lists and dicts."""
        blobs: list[bytes] = []

        def hole(value: object) -> dict[str, int]:
            if not isinstance(value, bytes | bytearray | memoryview):
                raise TypeError(f"a {type(value).__name__} is no plain data")
            blobs.append(bytes(value))
            return {_HOLE: len(blobs) - 1}

        text = json.dumps(message, default=hole, separators=(",", ":")).encode()
        head = _HEAD.pack(len(text), len(blobs)) + b"".join(_SIZE.pack(len(blob)) for blob in blobs)
        with self._sending:
            try:
                self._socket.sendall(head + text)
                for blob in blobs:
                    self._socket.sendall(blob)
            except OSError as error:
                raise ChannelClosed from error

    def receive(self) -> list[Any]:
        """The next message; ChannelClosed if there will be none."""
        length, count = _HEAD.unpack(self._exactly(_HEAD.size))
        if length > _MOST_JSON:
            raise ChannelClosed
        sizes = [size for (size,) in _SIZE.iter_unpack(self._exactly(_SIZE.size * count))]
        text = self._exactly(length)
        blobs = [bytes(self._exactly(size)) for size in sizes]

        def filled(found: dict[str, Any]) -> Any:
            return blobs[found[_HOLE]] if _HOLE in found else found

        try:
            message: list[Any] = json.loads(text, object_hook=filled if blobs else None)
        except ValueError as error:
            raise ChannelClosed from error
        return message

    def wait_for_ever(self) -> None:
        """From now on, silence is no reason to give up."""
        self._socket.settimeout(None)

    def close(self) -> None:
        """Hangs up; whoever is receiving hears of it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        view, got = memoryview(data), 0
        while got < size:
            try:
                read = self._socket.recv_into(view[got:])
            except OSError as error:
                raise ChannelClosed from error
            if not read:
                raise ChannelClosed
            got += read
        return data
