"""Report: the events of a run as lines for people. It runs nothing and decides nothing."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from studio.run.events import (
    Event,
    RunFinished,
    RunStarted,
    StepCached,
    StepEvent,
    StepFailed,
    StepFinished,
    StepLoading,
    StepLogged,
    StepReplaced,
    StepRestarted,
    StepSkipped,
    StepStarted,
    StepWaiting,
    Warned,
)
from studio.values.measures import Measures

if TYPE_CHECKING:
    from rich.live import Live

__all__ = ["Report"]

_STYLES = {
    "waiting": "dim",
    "loading": "yellow",
    "running": "bold cyan",
    "cached": "green",
    "done": "bold green",
    "replaced": "yellow",
    "failed": "bold red",
    "skipped": "dim",
}


class Report:
    """Shows a run while it happens: a live table in a terminal, a plain line a step elsewhere."""

    def __init__(self, stream: TextIO | None = None, quiet: bool = False, debug: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._debug = debug
        self._states: dict[str, tuple[str, float, Measures | None]] = {}  # state, since when, what it took
        self._counts: Counter[str] = Counter()  # elements that have ended, by step
        self._cached: Counter[str] = Counter()  # those of them that were known
        self._shown: Counter[str] = Counter()  # lines of its log that were shown while it ran, by step
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if not self._quiet and self._stream.isatty():
            self._live = self._began()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def hear(self, event: Event) -> None:
        """Takes in one event, and shows it."""
        if isinstance(event, StepEvent) and event.element is not None:
            self._hear_element(event)
            return
        match event:
            case RunStarted(steps=steps):
                self._states = dict.fromkeys(steps, ("", 0.0, None))
            case StepWaiting(step=step):
                self._set(step, "waiting")
            case StepLoading(step=step):
                self._set(step, "loading")
            case StepStarted(step=step):
                self._set(step, "running")
            case StepLogged(step=step, text=text):
                self._show_new(step, text)
            case StepRestarted(step=step, reason=reason):
                self._shown.pop(step, None)
                self._set(step, "waiting")
                self._say(f"{step}: {reason}", "yellow")
            case StepCached(step=step, measures=measures):
                self._ended(step, "cached", replace(measures, seconds=0.0))
            case StepFinished(step=step, measures=measures, log=log):
                self._ended(step, "done", measures)
                self._show_log(step, log)
            case StepFailed(step=step, trace=trace, log=log):
                self._ended(step, "failed", None)
                self._show_log(step, log)
                if self._debug and trace:
                    self._say(trace, "")
            case StepReplaced(step=step, message=message, log=log, outputs=instead):
                self._ended(step, "replaced" if instead else "skipped", None)
                self._show_log(step, log)
                self._say(f"{step}: it failed, and its graph goes on without it: {message}", "yellow")
            case StepSkipped(step=step):
                self._ended(step, "skipped", None)
            case Warned(message=message):
                self._say(f"warning: {message}", "yellow")
            case RunFinished():
                pass
        if self._live:
            self._live.update(self._table())

    def _hear_element(self, event: StepEvent) -> None:
        """Counts the elements of a step that runs once per element, and tells what goes wrong with them."""
        step, who = event.step, f"{event.step}[{event.element}]"
        match event:
            case StepLoading():
                self._set(step, "loading")
            case StepStarted():
                self._set(step, "running")
            case StepLogged(text=text):
                self._show_new(who, text)
            case StepRestarted(reason=reason):
                self._shown.pop(who, None)
                self._say(f"{who}: {reason}", "yellow")
            case StepFinished(log=log) | StepFailed(log=log):
                self._counts[step] += 1
                self._show_log(who, log)
            case StepCached():
                self._counts[step] += 1
                self._cached[step] += 1
        if self._live:
            self._live.update(self._table())

    def _set(self, step: str, state: str) -> None:
        before, since, _ = self._states.get(step, ("", 0.0, None))
        self._states[step] = (state, since if since and before == state else time.monotonic(), None)

    def _ended(self, step: str, state: str, took: Measures | None) -> None:
        self._states[step] = (state, 0.0, took)
        if not self._live and not self._quiet:
            shown = f"  {took.seconds:.2f} s" if took else ""
            numbers = f"  {took.counted}" if took and took.counted else ""
            print(f"{step:<16} {state}{self._counted(step)}{shown}{numbers}", file=self._stream, flush=True)

    def _counted(self, step: str) -> str:
        count, cached = self._counts[step], self._cached[step]
        known = f", {cached} cached" if 0 < cached < count else ""
        return f" ({count} elements{known})" if count else ""

    def _show_new(self, step: str, text: str) -> None:
        """Shows lines that a node has just printed."""
        lines = _lines(text)
        self._shown[step] += len(lines)
        for line in lines:
            self._say(f"{step} │ {line}", "dim")

    def _show_log(self, step: str, log: str) -> None:
        """Shows what is left of all that a node printed."""
        for line in _lines(log)[self._shown.pop(step, 0) :]:
            self._say(f"{step} │ {line}", "dim")

    def _say(self, text: str, style: str) -> None:
        if self._live:
            self._live.console.print(text, style=style, markup=False, highlight=False)
        elif not self._quiet:
            print(text, file=self._stream, flush=True)

    def _began(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        live = Live(console=Console(file=self._stream), refresh_per_second=8, get_renderable=self._table)
        live.start()
        return live

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for step, (state, since, took) in self._states.items():
            spent = took.seconds if took else (now - since if since else None)
            clock = "" if spent is None or state in ("", "cached") else f"{spent:6.1f} s"
            counted = Text(took.counted if took else "", style="dim")
            state_ = Text(state + self._counted(step), style=_STYLES.get(state, ""))
            table.add_row(Text(step), state_, Text(clock, style="dim"), counted)
        return table


def _lines(text: str) -> list[str]:
    """What was printed, as a terminal would show it: of a progress bar, that returns to its line's start, the last."""
    lines = text.removesuffix("\n").split("\n") if text else []
    return [line.removesuffix("\r").rpartition("\r")[2] for line in lines]
