"""Tier: a shared folder or object store behind the caches of many machines. It knows bytes by name, and no key.

Nothing here may fail a run: whatever takes too long or goes wrong counts as absent, and a tier that
fails some times in a row is left alone until the process ends. What is asked and what is sent is
done by threads of its own, none of which keeps the process from ending.

A record decides which outputs a step "has". So one is believed only if it is signed with the key
that all who share the tier hold, or lies where nobody else can write (docs/decisions/0015).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hmac
import itertools
import os
import queue
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from studio.errors import EnvironmentMissing, MissingExtra, StoreError
from studio.values.artifact import Damaged

__all__ = ["Tier", "Wanted"]

_LIMIT = 2.0  # seconds that a record is waited for
_LIMIT_OUT = 10.0  # seconds that writing may take, and one more for each MiB
_MOST_FAILURES = 3  # in a row, before the tier is left alone
_ABSENCE = 5.0  # seconds for which it is remembered that a record is not there
_MOST_ABSENT = 20_000  # absences remembered
_MOST_ASKED = 1024  # records asked for and not yet taken
_MOST_QUEUED = 10_000  # deeds put off
_MOST_RECORD = 64 << 20  # bytes
_CHUNK = 4 << 20  # bytes
_AT_EXIT = 5.0  # seconds that the end of the process waits for what is queued
_TAG = b"studio tier record 1\n"
# Where a file appears whole or not at all; elsewhere it is written under another name, and renamed.
_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "memory"}

_serial = itertools.count()
_making = threading.Lock()
_token = secrets.token_hex(4)  # of this process, among all on all machines

T = TypeVar("T")
Wanted = tuple[str, int, Callable[[Iterable[bytes]], None]]  # a name, its size, and what takes in the bytes


class Tier:
    """Records and blobs by name, out there. Make it by `Tier.of`: one a place and process."""

    def __init__(self, url: str, key: bytes | None) -> None:
        self.url = _shown(url)
        self.refused = 0  # records and blobs that were not what they should be
        self.news: deque[str] = deque()  # what a run should tell, once
        self._address, self._key = url, key
        self._fs: tuple[Any, str] | None = None
        self._opening, self._mutex = threading.Lock(), threading.Lock()
        self._asking, self._putting, self._sharing = _Threads(8), _Threads(4), _Threads(4)
        self._in = _Way(f"the tier {self.url} does not answer ({{}}): it is left alone, and nothing of it is used")
        self._out = _Way(f"the tier {self.url} takes nothing ({{}}): new results stay here and are not shared")
        self._asked: OrderedDict[str, _Deed[bytes | None]] = OrderedDict()
        self._absent: dict[str, float] = {}  # until when, by name
        self._bad: set[str] = set()  # names under which lies what is of no use: they are written anew
        self._queued = 0
        self._settled = threading.Condition()
        self._check(_protocol(url))

    @staticmethod
    def of(url: str, key: bytes | None) -> Tier:
        """The tier at a URL or a folder, shared by all in this process; StoreError if it cannot be trusted."""
        with _making:
            return _tier(url, key, os.getpid())  # a forked child has none of its parent's threads

    @property
    def signed(self) -> bool:
        """Whether there is a key, with which records are signed."""
        return self._key is not None

    # In ----------------------------------------------------------------------

    def ask(self, names: Iterable[str]) -> None:
        """Begins to fetch records, several at a time; `record` then finds them, or finds that they are not there."""
        for name in names:
            with self._mutex:
                if self._in.closed or name in self._asked or self._is_absent(name):
                    continue
                self._asked[name] = self._asking.do(partial(self._read, name))
                if len(self._asked) > _MOST_ASKED:
                    self._asked.popitem(last=False)

    def record(self, name: str) -> bytes | None:
        """The bytes of a record that can be believed, if there is one."""
        if self._in.closed or self._is_absent(name):
            return None
        self.ask([name])
        with self._mutex:
            deed = self._asked.pop(name, None)
        sealed = self._outcome(deed or self._asking.do(partial(self._read, name)), _LIMIT, self._in)
        if sealed is None:
            self._remember_absent(name)
            return None
        body = self._unsealed(sealed)
        if body is None:
            self.refuse(name, "a record with no signature, or another" if self.signed else "a record that is no record")
        return body

    def fetch(self, files: Sequence[Wanted], seconds: float) -> bool:
        """Hands each file to what takes it in, which raises Damaged if it is not the one; whether all of them came."""
        deeds = [self._asking.do(partial(self._bring, *wanted)) for wanted in files]
        arrived: list[bool | None] = [self._outcome(deed, seconds, self._in) for deed in deeds]
        return all(arrived)

    def refuse(self, name: str, what: str = "") -> None:
        """What lies under a name is of no use: it counts as absent, and is written anew; told if it is suspicious."""
        self._bad.add(name)
        self._remember_absent(name)
        if not what:
            return
        self.refused += 1
        if self.refused == 1:
            self.news.append(f"the tier {self.url} holds {what}: it is not used, and made anew")

    def reached(self) -> bool:
        """Whether it answers at all."""
        return bool(self._outcome(self._asking.do(self._answers), _LIMIT, self._in))

    # Out ---------------------------------------------------------------------

    def put(self, name: str, source: Path) -> bool:
        """Copies a file there, unless it is there; whether it now is."""
        size = source.stat().st_size
        return self._sent(name, size, partial(self._copy, name, source, size))

    def put_record(self, name: str, body: bytes, replace: bool = False) -> bool:
        """Puts a record there, signed; unless there is one, or it is to be replaced. Whether one is there."""
        sealed = self._sealed(body)
        done = self._sent(name, len(sealed), partial(self._keep, name, sealed, replace))
        with self._mutex:
            self._absent.pop(name, None)
            self._asked.pop(name, None)
        return done

    @property
    def takes(self) -> bool:
        """Whether it is worth trying to put something there."""
        return not self._out.closed

    def later(self, deed: Callable[[], None]) -> bool:
        """Puts a deed off, to be done soon by another thread; False if there is too much to do already."""
        with self._settled:
            if self._out.closed or self._queued >= _MOST_QUEUED:
                return False
            self._queued += 1
        self._sharing.do(partial(self._do, deed))
        return True

    def flush(self, seconds: float) -> int:
        """Waits for all that was put off, for some time at most; how much is left."""
        with self._settled:
            self._settled.wait_for(lambda: not self._queued, seconds)
            return self._queued

    def _do(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        finally:
            with self._settled:
                self._queued -= 1
                self._settled.notify_all()

    def _sent(self, name: str, size: int, deed: Callable[[], bool]) -> bool:
        if self._out.closed:
            return False
        done = bool(self._outcome(self._putting.do(deed), _LIMIT_OUT + size / (1 << 20), self._out))
        if done:
            self._bad.discard(name)
        return done

    # Trust -------------------------------------------------------------------

    def _check(self, protocol: str) -> None:
        """StoreError unless what lies there can be believed."""
        if self._key or protocol == "memory":
            return
        if protocol in ("file", "local"):
            private = self._outcome(self._asking.do(partial(_is_private, _path(self._address))), _LIMIT, self._in)
            if private is None:
                self._in.closed = self._out.closed = True
                self.news.append(f"the tier {self.url} is not there: it is left alone")
            if private is not False:
                return
            raise StoreError(
                f"the tier '{self.url}' can be entered by others, and a record there decides what a step is said to "
                "have given: set $STUDIO_TIER_KEY to a secret of all who share it, or make the folder yours (chmod 700)"
            )
        raise StoreError(
            f"the tier '{self.url}' needs a key: set $STUDIO_TIER_KEY to a secret of all who share it, "
            "so that nobody else can say what a step has given"
        )

    def _sealed(self, body: bytes) -> bytes:
        return body + b"\n" + self._signature(body)

    def _unsealed(self, sealed: bytes) -> bytes | None:
        body, _, signature = sealed.rpartition(b"\n")
        fits = len(sealed) <= _MOST_RECORD and hmac.compare_digest(signature, self._signature(body))
        return body if fits else None

    def _signature(self, body: bytes) -> bytes:
        return hmac.new(self._key, _TAG + body, "sha256").hexdigest().encode() if self._key else b"unsigned"

    # Operations, each in a thread that nobody has to wait for ------------------

    def _place(self) -> tuple[Any, str]:
        """The file system, and the folder in it."""
        with self._opening:
            if self._fs is None:
                import fsspec

                fs, root = fsspec.core.url_to_fs(self._address)
                root = root.rstrip("/")
                if not _is_whole(fs):
                    with contextlib.suppress(FileExistsError):
                        fs.mkdir(root, create_parents=False)  # not its parents: what is not mounted is not made
                self._fs = fs, root
            return self._fs

    def _answers(self) -> bool:
        fs, root = self._place()
        try:
            fs.info(root)
        except FileNotFoundError:
            return _is_whole(fs)  # there, it is only empty
        return True

    def _read(self, name: str) -> bytes | None:
        if self._in.closed:
            return None
        fs, root = self._place()
        try:
            found: bytes = fs.cat_file(f"{root}/{name}", start=0, end=_MOST_RECORD + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found

    def _bring(self, name: str, size: int, receive: Callable[[Iterable[bytes]], None]) -> bool:
        if self._in.closed:
            return False
        try:
            receive(self._chunks(name, size))
        except Damaged:
            self.refuse(name, "a blob that is damaged")
            return False
        except _Missing:
            self.refuse(name)
            return False
        except OSError:  # the store takes nothing: that is no fault of the tier's
            return False
        return True

    def _chunks(self, name: str, size: int) -> Iterator[bytes]:
        """The bytes of a file; one more than its size at most."""
        left = size + 1
        try:
            fs, root = self._place()
            with fs.open(f"{root}/{name}", "rb") as file:
                while left and (chunk := file.read(min(left, _CHUNK))):
                    left -= len(chunk)
                    yield chunk
        except (FileNotFoundError, NotADirectoryError):
            raise _Missing from None
        except Exception as error:
            raise _Away(_told(error)) from None

    def _copy(self, name: str, source: Path, size: int) -> bool:
        fs, root = self._place()
        if name in self._bad or _size(fs, f"{root}/{name}") != size:
            self._write(name, lambda place: fs.put_file(str(source), place))
        return True

    def _keep(self, name: str, sealed: bytes, replace: bool) -> bool:
        fs, root = self._place()
        if replace or name in self._bad or _size(fs, f"{root}/{name}") is None:
            self._write(name, lambda place: fs.pipe_file(place, sealed))
        return True

    def _write(self, name: str, write: Callable[[str], object]) -> None:
        """All of a file under its name, or nothing."""
        fs, root = self._place()
        path = f"{root}/{name}"
        if _is_whole(fs):
            write(path)
            return
        if not fs.exists(root):
            raise FileNotFoundError("its folder is gone")
        folder, _, last = path.rpartition("/")
        fs.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.{last[:40]}.{_token}.{os.getpid()}.{next(_serial)}.tmp"
        try:
            write(temporary)
            fs.mv(temporary, path)
        except BaseException:
            with contextlib.suppress(Exception):
                fs.rm_file(temporary)
            raise

    # What went wrong -----------------------------------------------------------

    def _outcome(self, deed: _Deed[T], seconds: float, way: _Way) -> T | None:
        """What a deed gave in time, or None; after some that failed in a row, this way is closed."""
        try:
            found = deed.wait(seconds)
        except Exception as error:
            with self._mutex:
                if told := way.failed(_told(error)):
                    self.news.append(told)
            return None
        way.failures = 0
        return found

    def _is_absent(self, name: str) -> bool:
        return self._absent.get(name, 0.0) > time.monotonic()

    def _remember_absent(self, name: str) -> None:
        with self._mutex:
            if len(self._absent) >= _MOST_ABSENT:
                self._absent.clear()
            self._absent[name] = time.monotonic() + _ABSENCE


@functools.cache
def _tier(url: str, key: bytes | None, pid: int) -> Tier:
    tier = Tier(url, key)
    atexit.register(lambda: tier.flush(_AT_EXIT) if os.getpid() == pid else None)
    return tier


class _Missing(Exception):
    """A file is not there."""


class _Away(Exception):
    """The tier did not give what it has."""


class _Way:
    """In or out: after some failures in a row it is closed."""

    def __init__(self, message: str) -> None:
        self.closed = False
        self.failures = 0
        self._message = message

    def failed(self, why: str) -> str:
        """Counts a failure; what is to be told, if it was one too many."""
        self.failures += 1
        if self.closed or self.failures < _MOST_FAILURES:
            return ""
        self.closed = True
        return self._message.format(why)


class _Deed(Generic[T]):
    """Something to be done in a thread, which may never end."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._began: float | None = None
        self._done: Future[T] = Future()

    def carry_out(self) -> None:
        self._began = time.monotonic()
        try:
            self._done.set_result(self._work())
        except BaseException as error:
            self._done.set_exception(error)

    def wait(self, seconds: float) -> T:
        """What it gave; _Away if it has not begun in time, or not ended in time once it had begun."""
        if not wait([self._done], seconds).done and self._began is not None:
            wait([self._done], max(0.0, self._began + seconds - time.monotonic()))
        if not self._done.done():
            raise _Away(f"no answer within {seconds:g} s")
        return self._done.result()


class _Threads:
    """Some threads that carry out deeds, begun when there is one. None keeps the process from ending."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._deeds: queue.SimpleQueue[_Deed[Any]] = queue.SimpleQueue()
        self._mutex = threading.Lock()

    def do(self, work: Callable[[], T]) -> _Deed[T]:
        """Has something done."""
        deed = _Deed(work)
        self._deeds.put(deed)
        with self._mutex:
            if self._count:
                self._count -= 1
                threading.Thread(target=self._carry_out, daemon=True, name="studio-tier").start()
        return deed

    def _carry_out(self) -> None:
        while True:
            self._deeds.get().carry_out()


def _protocol(url: str) -> str:
    """What kind of place a URL names; EnvironmentMissing if a library for it is missing."""
    try:
        import fsspec
    except ImportError:
        raise MissingExtra("fsspec", "tier") from None
    protocol = str(fsspec.utils.get_protocol(url))
    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        hint = str(error).partition("\n")[0]
        raise EnvironmentMissing(f"the tier '{_shown(url)}' needs a library that is not installed: {hint}") from None
    except ValueError:
        raise StoreError(
            f"the tier '{_shown(url)}' is none: '{protocol}' is unknown; give a folder, or a URL like s3://bucket/folder"
        ) from None
    return protocol


def _path(url: str) -> Path:
    from fsspec.implementations.local import LocalFileSystem

    return Path(str(LocalFileSystem._strip_protocol(url)))


def _is_private(folder: Path) -> bool:
    """Whether nobody else can enter a folder; it is made, if it is not there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    stat = folder.stat()
    return stat.st_uid == os.getuid() and not stat.st_mode & 0o077


def _is_whole(fs: Any) -> bool:
    names = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
    return bool(names & _WHOLE)


def _size(fs: Any, path: str) -> int | None:
    """The size of a file, if it is there."""
    try:
        size = fs.info(path)["size"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return -1 if size is None else int(size)


def _shown(url: str) -> str:
    """A URL without what may be secret in it."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _told(error: Exception) -> str:
    """What went wrong, without the words of a library, which may hold an address with a password."""
    if isinstance(error, _Away):
        return str(error)
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
