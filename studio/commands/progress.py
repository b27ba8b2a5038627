"""Board: how a run over a data set stands: a live table in a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from studio.dataset.map import ItemFinished
from studio.dataset.run import DatasetRun
from studio.run.events import Event, Warned

if TYPE_CHECKING:
    from rich.live import Live

__all__ = ["Board"]

_EVERY = 5.0  # seconds between plain lines
_LOOK_BACK = 20.0  # seconds over which the rate is taken
_MOST_TOLD = 5  # failures shown while it runs


class Board:
    """Shows a run over a data set of `total` items, if that is known."""

    def __init__(self, run: DatasetRun, total: int | None, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._run, self._total = run, total
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._began = self._told = time.monotonic()
        self._pace: deque[tuple[float, int]] = deque([(self._began, 0)])
        self._failures = 0
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if not self._quiet and self._stream.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(file=self._stream), refresh_per_second=4, get_renderable=self._table)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def hear(self, event: Event) -> None:
        """Takes in one event, and shows what is worth showing."""
        if isinstance(event, Warned):
            self._say(f"warning: {event.message}", "yellow")
        elif isinstance(event, ItemFinished) and event.failures:
            self._failures += 1
            if self._failures <= _MOST_TOLD:
                step, why = next(iter(event.failures.items()))
                self._say(f"{event.item.id} failed: {f'{step}: ' if step else ''}{why}", "red")
            elif self._failures == _MOST_TOLD + 1:
                self._say("… more have failed; all stand in the results", "red")
        now = time.monotonic()
        if not self._live and now - self._told > _EVERY:
            self._told = now
            self._say(self._line(), "")

    def _line(self) -> str:
        """Where it stands, in a line."""
        run, over = self._run, self._over
        shown = f"{over:,} of {self._total:,}" if self._total is not None else f"{over:,}"
        parts = [run.phase] if run.phase else [f"{shown} items"]
        parts += [f"{run.failed:,} failed"] if run.failed else []
        parts += [f"{sum(run.kept.values()):,} were done before"] if any(run.kept.values()) else []
        rate = self._rate()
        parts += [f"{rate:,.1f}/s"] if rate else []
        if rate and self._total is not None:
            parts.append(f"{_clock((self._total - over) / rate)} left")
        slowest = self._run.stats.slowest
        parts += [f"slowest: {slowest.step}"] if slowest and slowest.seconds > 1 else []
        return " · ".join(parts)

    @property
    def _over(self) -> int:
        return self._run.done + self._run.failed + sum(self._run.kept.values())

    def _rate(self) -> float:
        """Items a second, of late."""
        now, count = time.monotonic(), self._run.done + self._run.failed
        self._pace.append((now, count))
        while len(self._pace) > 2 and now - self._pace[0][0] > _LOOK_BACK:
            self._pace.popleft()
        then, before = self._pace[0]
        return (count - before) / (now - then) if now > then else 0.0

    def _say(self, text: str, style: str) -> None:
        if self._live:
            self._live.console.print(text, style=style, markup=False, highlight=False)
        elif not self._quiet:
            print(text, file=self._stream, flush=True)

    def _table(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
        table.add_column("step")
        for name in ("done", "cached", "failed", "queued", "per second", "batch"):
            table.add_column(name, justify="right")
        spent = max(time.monotonic() - self._began, 1e-3)
        slowest = self._run.stats.slowest
        for step_stats in self._run.stats.of.values():
            style = "bold cyan" if step_stats is slowest and step_stats.waiting else ""
            rate = f"{step_stats.done / spent:,.1f}" if step_stats.done else ""
            batch = f"{step_stats.fill:.1f}" if step_stats.fill > 1 else ""
            failed = Text(f"{step_stats.failed:,}" if step_stats.failed else "", style="red")
            counts = [f"{count:,}" if count else "" for count in (step_stats.done, step_stats.cached)]
            table.add_row(
                Text(step_stats.step, style=style), *counts, failed, f"{max(step_stats.waiting, 0):,}", rate, batch
            )
        return Group(Text(self._line(), style="bold"), table)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
