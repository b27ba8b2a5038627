"""Channel: plain data over a socket, message by message. It knows nothing of what the messages say.

A message is MessagePack behind its length: bytes travel as they are, and nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Any, NoReturn

import msgpack

__all__ = ["Channel", "ChannelClosed"]

_LENGTH = struct.Struct("!Q")
_MOST = 8 << 30  # bytes of a message; what says that it is longer is none of ours
_TEXT = "surrogatepass"  # names of files, and what nodes print, need not be Unicode


class ChannelClosed(Exception):
    """The other side has gone, or says what is no message."""


class Channel:
    """One end of a connection. Any thread may send; one at a time receives."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._sending = threading.Lock()

    def send(self, message: Any) -> None:
        """Sends plain data: None, bool, numbers, text, bytes (4 GiB at most), lists and dicts with text as keys."""
        packer = msgpack.Packer(default=_not_plain, unicode_errors=_TEXT, autoreset=False)
        packer.pack(message)
        packed = packer.getbuffer()  # a large value is not copied once more
        with self._sending:
            try:
                self._socket.sendall(_LENGTH.pack(len(packed)))
                self._socket.sendall(packed)
            except OSError as error:
                raise ChannelClosed from error

    def receive(self) -> Any:
        """The next message; ChannelClosed if there will be none."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > _MOST:
            raise ChannelClosed
        try:
            return msgpack.unpackb(self._exactly(length), ext_hook=_not_ours, unicode_errors=_TEXT)
        except (ValueError, MemoryError) as error:  # what msgpack raises is a ValueError
            raise ChannelClosed from error

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


def _not_plain(value: object) -> NoReturn:
    raise TypeError(f"a {type(value).__name__} is no plain data")


def _not_ours(code: int, _: bytes) -> NoReturn:
    raise ValueError(f"an extension of type {code} is no plain data")
