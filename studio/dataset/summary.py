"""Summary: how a run over a data set ended, for people and for programs. RowCounts: what of its rows a step counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from studio.dataset.results import Failures, Totals
from studio.dataset.sources import LeftOut

__all__ = ["RowCounts", "Summary", "told"]


@dataclass(frozen=True)
class RowCounts:
    """How many rows a step over all of them saw, and how many of these stand in its lists."""

    rows: int
    counted: int
    failed: int  # those that failed, be they counted or not
    lacked: int  # those that went well, and gave nothing for something that it reads

    def as_data(self) -> dict[str, int]:
        """As plain data."""
        return asdict(self)

    def __str__(self) -> str:
        missed = [f"{self.failed:,} failed"] * bool(self.failed)
        missed += [f"{self.lacked:,} gave no value"] * bool(self.lacked)
        share = f"{self.counted:,} of {self.rows:,} rows" if self.counted < self.rows else f"all {self.rows:,} rows"
        return f"counted {share}" + (f": {', '.join(missed)}" if missed else "")


@dataclass(frozen=True)
class Summary:
    """How a session ended, and how the run stands."""

    graph: str
    folder: Path | None
    done: int  # in this session
    failed: int
    kept: Mapping[str, int]  # that were over before, by how
    seconds: float  # of this session
    stats: Mapping[str, Any]
    outputs: Mapping[str, Any]  # of what runs once over all rows
    broken: Mapping[str, str]  # steps of these that failed
    totals: Totals | None = None
    counts: Mapping[str, RowCounts] = field(default_factory=dict)  # by step of these, of how many rows it knows
    left_out: LeftOut = field(default_factory=LeftOut)  # files of a folder of media
    noted: int = 0  # rows of which a part of a file was lost or left aside, as far as files were opened

    @property
    def all_failed(self) -> int:
        """Those of the whole run that stand as failed."""
        return self.failed + self.kept["failed"]

    def as_data(self) -> dict[str, Any]:
        """As plain data."""
        shown: dict[str, Any] = {"graph": self.graph, "out": str(self.folder) if self.folder else None}
        shown |= {
            "done": self.done,
            "failed": self.failed,
            "before": dict(self.kept),
            "seconds": round(self.seconds, 3),
        }
        if self.totals is not None:
            shown["failures"] = {each.kind: each.count for each in self.totals.failures}
        if self.outputs or self.broken:
            shown |= {"outputs": dict(self.outputs), "failed_steps": dict(self.broken)}
        if self.counts:
            shown["over_all_rows"] = {step: counts.as_data() for step, counts in self.counts.items()}
        if self.left_out.count:
            shown["left_out"] = self.left_out.as_data()
        if self.noted:
            shown["noted"] = self.noted
        return {**shown, "steps": dict(self.stats)}

    def __str__(self) -> str:
        count = self.done + self.failed
        rate = f", {count / self.seconds:,.1f} a second" if count and self.seconds else ""
        lines = [f"{self.done:,} done, {self.failed:,} failed in {self.seconds:,.1f} s{rate}"]
        if any(self.kept.values()):
            failed = f", {self.kept['failed']:,} of which failed: try them with --retry-failed" * bool(
                self.kept["failed"]
            )
            lines.append(f"{sum(self.kept.values()):,} were over before{failed}")
        lines += [str(self.left_out)] * bool(self.left_out.count)
        noted = f"{self.noted:,} rows gave files of which not all was read; the first are told above"
        lines += [noted] * bool(self.noted)
        lines += [f"{name}: {_short(value)}" for name, value in self.outputs.items()]
        lines += [f"step '{step}' {counts}" for step, counts in self.counts.items()]
        lines += [f"step '{step}' failed: {why}" for step, why in self.broken.items()]
        failures = self.totals.failures if self.totals else ()
        lines += [f"  {each.count:,} × {each.kind}: {told(each)}" for each in failures]
        if self.folder:
            lines += [f"results: {self.folder / 'results.jsonl'}", f"report: {self.folder / 'report.html'}"]
        return "\n".join(lines)


def _short(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 200 else f"{shown[:200]} …"


def told(failures: Failures) -> str:
    """The first failure of a kind, without what the kind says already."""
    error = str(failures.rows[0]["error"]).partition("\n")[0] if failures.rows else ""
    return (error.partition(" failed: ")[2] or error).removeprefix(f"{failures.kind.partition(' ')[0]}: ")
