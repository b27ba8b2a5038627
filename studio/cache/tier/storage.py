"""Storage: files by name in a folder or an object store, by fsspec. It knows neither records nor trust."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from studio.errors import EnvironmentMissing, MissingExtra, StoreError

__all__ = ["Missing", "Storage", "Unavailable", "in_words"]

_CHUNK = 4 << 20  # bytes
# Here a file appears whole or not at all. Elsewhere it is written under another name, and renamed.
_ATOMIC = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "memory"}

_serial = itertools.count()
_token = secrets.token_hex(4)  # of this process, among all on all machines


class Missing(Exception):
    """A file is not there."""


class Unavailable(Exception):
    """The storage did not answer in time, or did not give what it has."""


class Storage:
    """A place for files. Whatever it does may take any time, and raise whatever the library for it raises."""

    def __init__(self, url: str) -> None:
        """EnvironmentMissing if the library for such a place is not installed; StoreError if there is no such place."""
        self.url = _without_secrets(url)
        self.protocol = _protocol(url)
        self._address = url
        self._opened: tuple[Any, str] | None = None
        self._opening = threading.Lock()

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.protocol in ("file", "local")

    def is_private(self) -> bool:
        """Whether nobody else can enter this local folder. It is made, if it is not there; its parents are not."""
        from fsspec.implementations.local import LocalFileSystem

        folder = Path(str(LocalFileSystem._strip_protocol(self._address)))
        folder.mkdir(mode=0o700, exist_ok=True)
        stat = folder.stat()
        return stat.st_uid == os.getuid() and not stat.st_mode & 0o077

    def answers(self) -> bool:
        """Whether the place is there."""
        fs, root = self._open()
        try:
            fs.info(root)
        except FileNotFoundError:
            return _is_atomic(fs)  # a bucket is there, it is only empty
        return True

    def size(self, name: str) -> int | None:
        """The size of a file, if it is there; -1 if the place does not say."""
        fs, root = self._open()
        try:
            size = fs.info(f"{root}/{name}")["size"]
        except (FileNotFoundError, NotADirectoryError):
            return None
        return -1 if size is None else int(size)

    def read(self, name: str, most: int) -> bytes | None:
        """The first bytes of a file, `most` at most; None if there is none."""
        fs, root = self._open()
        try:
            found: bytes = fs.cat_file(f"{root}/{name}", start=0, end=most)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found

    def chunks(self, name: str, most: int) -> Iterator[bytes]:
        """The first bytes of a file, `most` at most, in parts. Missing, or Unavailable.

        Whoever takes the parts may raise OSError; so what goes wrong here is never an OSError.
        """
        try:
            fs, root = self._open()
            with fs.open(f"{root}/{name}", "rb") as file:
                while most and (chunk := file.read(min(most, _CHUNK))):
                    most -= len(chunk)
                    yield chunk
        except (FileNotFoundError, NotADirectoryError):
            raise Missing from None
        except Exception as error:
            raise Unavailable(in_words(error)) from None

    def put_file(self, name: str, source: Path) -> None:
        """Puts a copy of a file there, all of it or nothing."""
        self._write(name, lambda fs, place: fs.put_file(str(source), place))

    def put_bytes(self, name: str, data: bytes) -> None:
        """Puts some bytes there, all of them or nothing."""
        self._write(name, lambda fs, place: fs.pipe_file(place, data))

    def _write(self, name: str, write: Callable[[Any, str], object]) -> None:
        fs, root = self._open()
        path = f"{root}/{name}"
        if _is_atomic(fs):
            write(fs, path)
            return
        if not fs.exists(root):
            raise FileNotFoundError("its folder is gone")
        folder, _, last = path.rpartition("/")
        fs.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.{last[:40]}.{_token}.{os.getpid()}.{next(_serial)}.tmp"
        try:
            write(fs, temporary)
            fs.mv(temporary, path)
        except BaseException:
            with contextlib.suppress(Exception):
                fs.rm_file(temporary)
            raise

    def _open(self) -> tuple[Any, str]:
        """The file system, and the folder in it."""
        with self._opening:
            if self._opened is None:
                import fsspec

                fs, root = fsspec.core.url_to_fs(self._address)
                root = root.rstrip("/")
                if not _is_atomic(fs):
                    # Its parents are not made: where a network folder is not mounted, they would be made on this disk.
                    with contextlib.suppress(FileExistsError):
                        fs.mkdir(root, create_parents=False)
                self._opened = fs, root
            return self._opened


def in_words(error: Exception) -> str:
    """What went wrong, without the words of a library: they may hold an address with a password."""
    if isinstance(error, Unavailable):
        return str(error)
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _protocol(url: str) -> str:
    try:
        import fsspec
    except ImportError:
        raise MissingExtra("fsspec", "tier") from None
    protocol = str(fsspec.utils.get_protocol(url))
    shown = _without_secrets(url)
    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        hint = str(error).partition("\n")[0]
        raise EnvironmentMissing(f"the tier '{shown}' needs a library that is not installed: {hint}") from None
    except ValueError:
        raise StoreError(
            f"the tier '{shown}' is none: '{protocol}' is unknown; give a folder, or a URL like s3://bucket/folder"
        ) from None
    return protocol


def _is_atomic(fs: Any) -> bool:
    names = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
    return bool(names & _ATOMIC)


def _without_secrets(url: str) -> str:
    """A URL without the user, the password and the query in it."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
