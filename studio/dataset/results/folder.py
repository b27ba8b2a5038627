"""ResultsFolder: the results of a run over a data set: a line for every item, whole after any kill.

Lines are appended to `results.jsonl` first and committed to the journal then: what the journal does
not know at the next start is cut off, and done again. `settle` puts the lines in the order of the data.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from studio.cache.database import Malformed
from studio.dataset.results.file_names import name_of
from studio.dataset.results.journal import Foreign, Journal, JournalEntry, JournalItem, LinePlace
from studio.dataset.results.parquet import write_parquet
from studio.errors import StoreError
from studio.files import write_atomically

__all__ = ["Failures", "ResultLine", "ResultsFolder", "Session", "Totals", "as_json"]

Row = Mapping[str, Any]

_EXAMPLES = 3  # rows shown of each kind of failure
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_encode_ascii = json.JSONEncoder(allow_nan=False).encode


class ResultLine(NamedTuple):
    """How one item ended.

    `digest` is what it was done under; `position` its place in this pass over the data; `outputs` are JSON;
    `error` says how it failed, and `kind` in which way.
    """

    id: str
    digest: str
    position: int
    status: Literal["done", "failed"]
    outputs: Mapping[str, bytes]
    seconds: float
    error: str = ""
    kind: str = ""

    @property
    def text(self) -> bytes:
        """The line as it stands in results.jsonl, put together: what an output is was encoded once already."""
        outputs = b", ".join([b"%b: %b" % (_named(name), value) for name, value in self.outputs.items()])
        seconds, error = str(round(self.seconds, 4)), as_json(self.error) if self.error else b"null"
        whole = (as_json(self.id), self.status.encode(), outputs, seconds.encode(), error)
        return b'{"id": %b, "status": "%b", "outputs": {%b}, "seconds": %b, "error": %b}\n' % whole


@dataclass(frozen=True)
class Failures:
    """The items that failed in one way."""

    kind: str
    count: int
    rows: tuple[Row, ...]  # the first few


@dataclass(frozen=True)
class Totals:
    """A run in figures."""

    done: int
    failed: int
    seconds: float  # of all items together
    failures: tuple[Failures, ...]  # the most frequent first


@dataclass(frozen=True)
class Session:
    """One session of a run: from when the folder was opened until it was closed."""

    started: float  # seconds since the epoch
    ended: float | None  # None while it goes on, and if it was killed
    about: Mapping[str, Any]


class ResultsFolder:
    """The folder of a run, held by this process until it is closed; for one thread at a time. Make it by `open`."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self.folder = folder
        self.results = folder / "results.jsonl"
        self._settled = folder / ".results.jsonl.settled"
        self._journal = journal
        self._file = -1
        self._end = 0  # of what the journal knows of the file
        self._made: set[str] = set()  # the folders of media that are there

    @staticmethod
    def open(folder: Path, about: Mapping[str, object]) -> ResultsFolder:
        """Makes the folder of a run, or goes on in it; `about` says what the run is, in plain data."""
        with _told(folder):
            _check(folder)
            folder.mkdir(parents=True, exist_ok=True)
            results = ResultsFolder(folder, _journal(folder))
            try:
                results._repair()
                results._journal.begin(about)
                plan = {**about, "process": f"{os.getpid()} on {socket.gethostname()}"}
                write_atomically(folder / "plan.json", _pretty(plan), mode=0o644)
            except BaseException:
                results.close()
                raise
            return results

    def close(self) -> None:
        """Lets others have the folder."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        with contextlib.suppress(OSError):  # all that counts was committed
            self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Items -------------------------------------------------------------------

    @property
    def fresh(self) -> bool:
        """Whether this is the first session, so that nothing was known when it began."""
        return self._journal.session == 1

    def known(self, id: str) -> JournalEntry | None:
        """How an item ended when last it did, and the digest that it was done under."""
        with _told(self.folder):
            return self._journal.known(id)

    def write(self, lines: Sequence[ResultLine]) -> None:
        """Keeps some lines, each in place of what was there of its item: all of them, or StoreError and none."""
        with _told(self.folder):
            self._journal.check_held()  # before the file is touched: a forked child has the same one open
            end = self._end
            texts: list[bytes] = []
            items: list[JournalItem] = []
            for line in lines:
                text = line.text
                texts.append(text)
                place = (line.position, end, len(text))
                items.append((line.id, line.digest, line.status, *place, line.seconds, line.kind))
                end += len(text)
            try:  # first the lines, then the journal: what only the file has is cut off by the next start
                _write(self._file, b"".join(texts), self._end)
                self._journal.write(items, end)
                self._end = end
            except BaseException:
                self._cut_back()
                raise

    def met(self, items: Sequence[tuple[str, int]]) -> None:
        """Says of items that stay as they are at which position this pass met them: (id, position)."""
        with _told(self.folder):
            self._journal.met(items)

    def settle(self, complete: bool) -> None:
        """Puts the lines in the order of this pass over the data, without those that later ones replaced.

        What the pass did not meet comes after it; where it is complete, that is in the data no more, and goes.
        """
        with _told(self.folder):
            try:
                with self._journal.transaction():
                    if complete:
                        self._journal.drop_unmet()
                    if not self._journal.settled():
                        self._copy()
                        self._journal.settle()
            finally:
                self._rename()
                self._end = self._journal.end

    # What was kept -----------------------------------------------------------

    def totals(self) -> Totals:
        """All that is kept, in figures."""
        with _told(self.folder):
            figures = self._journal.figures()
            (done, took), (failed, lost) = (figures.get(way, (0, 0.0)) for way in ("done", "failed"))
            first = [(kind, self._row(place)) for kind, place in self._journal.first_of_kinds(_EXAMPLES)]
            failures = (
                Failures(kind, count, tuple(row for other, row in first if other == kind))
                for kind, count in self._journal.kinds().items()
            )
            return Totals(done, failed, took + lost, tuple(failures))

    def sample(self, status: Literal["done", "failed"], most: int) -> list[Row]:
        """Some rows of one status, evenly from all over the data."""
        with _told(self.folder):
            return [self._row(place) for place in self._journal.sample(status, most)]

    def row(self, id: str) -> Row | None:
        """The row of one item."""
        with _told(self.folder):
            place = self._journal.place(id)
            return None if place is None else self._row(place)

    def note(self, figures: Mapping[str, object]) -> None:
        """Keeps figures of this session, in plain data; in `sessions` they are `about["figures"]`."""
        with _told(self.folder):
            self._journal.note(figures)

    def sessions(self) -> list[Session]:
        """Every session of this run, the present one last."""
        with _told(self.folder):
            return [Session(started, ended, json.loads(about)) for started, ended, about in self._journal.sessions()]

    def media_path(self, output: str, id: str, suffix: str) -> Path:
        """Where the media of one output of one item goes; its folder is made."""
        folder = self.folder / name_of(output)
        if output not in self._made:
            with _told(self.folder):
                folder.mkdir(exist_ok=True)
            self._made.add(output)
        return folder / name_of(id, suffix)

    def write_parquet(self) -> Path:
        """Writes the lines of a settled run as a table, too: `results.parquet`."""
        return write_parquet(self.folder)

    # The file ----------------------------------------------------------------

    def _repair(self) -> None:
        """Brings results.jsonl and the journal in step, whatever moment the last session was stopped at."""
        self._rename()
        size = os.fstat(self._file).st_size
        if size < self._journal.end:  # somebody took lines away: their items are to be done again
            self._journal.forget_beyond(size)
        self._end = self._journal.end
        os.ftruncate(self._file, self._end)

    def _cut_back(self) -> None:
        with contextlib.suppress(OSError):  # the next start does it as well
            self._end = self._journal.end  # a signal may have come when all was written
            os.ftruncate(self._file, self._end)

    def _copy(self) -> None:
        """Writes every line that counts to the file that is to be the next."""
        with self._settled.open("wb") as file:
            for place in self._journal.places():
                file.write(self._text(place))

    def _rename(self) -> None:
        """Gives the settled file its name, if the journal counts on it; one that it does not know is removed."""
        if self._journal.settling:
            if self._settled.exists():
                self._settled.replace(self.results)
            self._journal.renamed()
        self._settled.unlink(missing_ok=True)
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(self.results, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _row(self, place: LinePlace) -> Row:
        row: Row = json.loads(self._text(place))
        return row

    def _text(self, place: LinePlace) -> bytes:
        """A line, which must be one."""
        text = os.pread(self._file, place.size, place.start)
        if len(text) != place.size or text[:1] != b"{" or text[-1:] != b"\n":
            raise StoreError(
                f"'{self.results}' is not as this run wrote it, at byte {place.start}: "
                "bring it back as it was, or delete it, and the same command does all items again"
            )
        return text


def _check(folder: Path) -> None:
    """Says why a folder cannot be that of a run, if it cannot."""
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"'{folder}' is a file; the results go to a folder: give one that is new")
    if (folder / "journal.sqlite").exists() or not folder.exists():
        return
    if found := sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")):
        raise StoreError(f"'{folder}' is not the folder of a run, and not empty ('{found[0]}'): give one that is new")


def _journal(folder: Path) -> Journal:
    path = folder / "journal.sqlite"
    try:
        return Journal(path)
    except Foreign as error:
        raise StoreError(f"'{path}' cannot be used: {error}. Give a folder that is new") from None
    except BlockingIOError:
        raise StoreError(
            f"'{folder}' is being written to by process {_holder(folder)}: wait for its end, or give another folder"
        ) from None


def _holder(folder: Path) -> str:
    try:
        return str(json.loads((folder / "plan.json").read_bytes())["process"])
    except (OSError, ValueError, LookupError, TypeError):
        return "(unknown)"  # it has just begun


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What the disk says, in our words."""
    try:
        yield
    except Malformed as error:
        path = folder / "journal.sqlite"
        raise StoreError(f"'{path}' is damaged ({error.reason}): give a folder that is new") from None
    except OSError as error:
        raise StoreError(_unwritten(folder, error.strerror or str(error))) from None


def _unwritten(folder: Path, why: str) -> str:
    return (
        f"'{folder}' cannot be written: {why}. What was kept so far is whole: make room, or see to its permissions, "
        "and give the same command again"
    )


def _write(file: int, data: bytes, at: int) -> None:
    """One write, unless the disk takes less at once."""
    while data:
        count = os.pwrite(file, data, at)
        data, at = data[count:], at + count


@functools.lru_cache
def _named(output: str) -> bytes:
    """The name of an output, of which there are few."""
    return as_json(output)


def as_json(data: object) -> bytes:
    """Plain data as a part of a line."""
    try:
        return _encode(data).encode()
    except UnicodeEncodeError:  # half of a surrogate pair: UTF-8 has none, JSON can say it
        return _encode_ascii(data).encode()


def _pretty(data: object) -> bytes:
    return json.dumps(data, indent=2, ensure_ascii=True).encode() + b"\n"
