"""DatasetPage: how a run over a data set stands, as one HTML file beside its results: little, however many they are."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from studio.dataset.results import Failures, ResultsFolder, Session, Totals
from studio.dataset.run import DatasetRun
from studio.dataset.step_stats import RunStats, StepStats
from studio.dataset.summary import told
from studio.files import write_atomically
from studio.language.plan import Plan
from studio.page.examples import Examples, Sample, cut
from studio.page.frame import rendered
from studio.page.phrases import count_of, seconds_of
from studio.page.picture import Label, picture

__all__ = ["DatasetPage"]

_EXAMPLES = 12  # of each status
_MOST_SESSIONS = 20
_MOST_KINDS = 20  # of failures
_MOST_WORDS = 400  # characters of a message
_BUSY = 0.5  # of the time; a step that was at work longer is what the others wait for


@dataclass(frozen=True)
class _SessionRow:
    """One session in a table."""

    began: float
    seconds: float | None  # None where no figures of it were kept
    done: int
    failed: int
    now: bool = False
    cut_off: bool = False

    @property
    def rate(self) -> float:
        """Items a second."""
        return (self.done + self.failed) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class _Row:
    """One step in the table, counted over all sessions."""

    step_stats: StepStats
    wall: float  # seconds of all sessions

    @property
    def cached(self) -> float:
        """The share that came from the cache."""
        known = self.step_stats.done + self.step_stats.cached
        return self.step_stats.cached / known if known else 0.0

    @property
    def busy(self) -> float:
        """The share of the time that its workers were at work."""
        return min(1.0, self.step_stats.seconds / (self.step_stats.workers * self.wall)) if self.wall else 0.0

    @property
    def rate(self) -> float:
        """Tasks a second that its workers can do."""
        return (
            self.step_stats.workers * self.step_stats.done / self.step_stats.seconds if self.step_stats.seconds else 0.0
        )

    @property
    def label(self) -> Label:
        """What stands on it in the picture."""
        step_stats = self.step_stats
        counts = {
            "done": step_stats.done,
            "cached": step_stats.cached,
            "failed": step_stats.failed,
            "skipped": step_stats.skipped,
        }
        told = [f"{count:,} {name}" for name, count in counts.items() if count]
        status = (
            "failed"
            if step_stats.failed
            else "done"
            if step_stats.done
            else "cached"
            if step_stats.cached
            else "skipped"
        )
        return Label(status, " · ".join(told), busy=self.busy if step_stats.done else None)


class DatasetPage:
    """Made when a session has ended, while its folder is still held. `command`: the words that a person typed."""

    def __init__(self, plan: Plan, run: DatasetRun, results: ResultsFolder, command: Sequence[str] = ()) -> None:
        self._plan, self._run, self._results, self._command = plan, run, results, command

    def save(self) -> Path:
        """Writes the page beside the results; OSError where the disk does not take it."""
        path = self._results.folder / "report.html"
        write_atomically(path, self.html().encode("utf-8", "replace"), mode=0o644)
        return path

    def html(self) -> str:
        """The page as text; it finds media by where they lie from the folder of the run."""
        run, summary, totals = self._run, self._run.summary(), self._results.totals()
        *before, now = self._results.sessions()
        shown = [*map(_session, before), self._present(now)]
        wall = sum(session.seconds or 0.0 for session in shown)
        rows = list(self._rows(before, wall))
        known = totals.done + totals.failed
        total = known if run.complete else max(run.total or 0, known)
        return rendered(
            "dataset.html",
            {
                "plan": self._plan,
                "outcome": "stopped" if not run.complete else "failed" if totals.failed else "done",
                "totals": totals,
                "total": total,
                "left": total - known,
                "seconds": wall,
                "sentences": list(self._sentences(rows, totals)),
                "sessions": shown[-_MOST_SESSIONS:],
                "sessions_before": len(shown) - _MOST_SESSIONS,
                "gaps": any(session.seconds is None for session in shown),
                "rows": rows,
                "slowest": _slowest(rows),
                "picture": picture(self._plan, self._labels(rows)),
                "once": dict(run.result.steps),
                "outputs": Examples(self._plan, self._results.folder).outputs(summary.outputs),
                "failures": [_failure(each) for each in totals.failures[:_MOST_KINDS]],
                "kinds_left": len(totals.failures) - _MOST_KINDS,
                "done": self._samples("done"),
                "failed": self._samples("failed"),
                "commands": self._commands(totals),
            },
        )

    def _rows(self, before: Sequence[Session], wall: float) -> Iterator[_Row]:
        """The steps, as all sessions together found them."""
        whole = RunStats(self._plan.steps[id] for id in self._run.stats.of)
        whole.add(self._run.stats.figures())
        for session in before:
            whole.add(session.about.get("figures", {}).get("steps", {}))
        return (_Row(step_stats, wall) for step_stats in whole.of.values())

    def _labels(self, rows: Sequence[_Row]) -> dict[str, Label]:
        """What stands on the steps in the picture: those that ran for each item, and those that ran once over all."""
        once = self._run.result.steps.items()
        return {row.step_stats.step: row.label for row in rows} | {
            id: Label(step.status, f"{step.status}, once") for id, step in once
        }

    def _present(self, session: Session) -> _SessionRow:
        return _SessionRow(session.started, self._run.seconds, self._run.done, self._run.failed, now=True)

    def _samples(self, status: Any) -> list[Sample]:
        examples = Examples(self._plan, self._results.folder)
        return [examples.show(each) for each in self._run.examples(status, _EXAMPLES)]

    def _sentences(self, rows: Sequence[_Row], totals: Totals) -> Iterator[Markup]:
        """The run in a few words."""
        slowest, done = _slowest(rows), sum(row.step_stats.done for row in rows)
        if slowest is not None:
            yield _bottleneck(slowest, rows)
        cached = sum(row.step_stats.cached for row in rows)
        if cached:
            share, saved = _percent(cached / (cached + done)), seconds_of(sum(row.step_stats.saved for row in rows))
            yield Markup("{} of all tasks came from the cache, which saved {} of work.").format(share, saved)
        if self._run.left_out.count:
            yield Markup("{}.").format(str(self._run.left_out))
        for step, counts in self._run.counts.items():
            yield Markup('<a href="#step-{0}"><b>{0}</b></a> {1}.').format(step, str(counts))
        if totals.failed:
            kinds = count_of(len(totals.failures), "way")
            yield Markup('<a href="#failures">{} failed</a>, in {}.').format(count_of(totals.failed, "item"), kinds)

    def _commands(self, totals: Totals) -> list[tuple[str, str]]:
        """What to do next, and the words to type for it."""
        words, folder = [word for word in self._command if word != "--retry-failed"], os.fspath(self._results.folder)
        again, retried = shlex.join(words), shlex.join([*words, "--retry-failed"])
        if not words:
            again = f"graph.map(rows, resume={folder!r})"
            retried = f"graph.map(rows, resume={folder!r}, options={{'retry_failed': True}})"
        first = "Take in what has been added to the data" if self._run.complete else "Go on with what is left"
        return [(first, again)] + ([("Try those that failed again", retried)] if totals.failed else [])


def _session(session: Session) -> _SessionRow:
    """A session that was before."""
    figures = session.about.get("figures")
    if figures is None:
        return _SessionRow(session.started, None, 0, 0, cut_off=True)
    return _SessionRow(
        session.started, figures["seconds"], figures["done"], figures["failed"], cut_off=session.ended is None
    )


def _slowest(rows: Sequence[_Row]) -> _Row | None:
    """The step that holds up the others."""
    worked = [row for row in rows if row.step_stats.seconds]
    return max(worked, key=lambda row: row.step_stats.seconds / row.step_stats.workers, default=None)


def _bottleneck(slowest: _Row, rows: Sequence[_Row]) -> Markup:
    share = slowest.step_stats.seconds / sum(row.step_stats.seconds for row in rows)
    name = Markup('<a href="#step-{0}"><b>{0}</b></a>').format(slowest.step_stats.step)
    if slowest.busy < _BUSY:
        return Markup(
            "{} takes {} of the time that steps need, yet it was at work for only {} of the run: the rest went into "
            "starting, reading, looking up and writing, so that a faster step would help little."
        ).format(name, _percent(share), _percent(slowest.busy))
    return Markup(
        "{} takes {} of the time that steps need, and was at work for {} of the run: more replicas or a smaller model "
        "there would help most."
    ).format(name, _percent(share), _percent(slowest.busy))


def _failure(failures: Failures) -> tuple[str, int, str, list[str]]:
    """A kind of failure, how many there are, what the first says, and the ids of some."""
    ids = [str(row["id"]) for row in failures.rows]
    return failures.kind, failures.count, cut(told(failures), _MOST_WORDS), ids


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
