"""The folder of one run over a data set: a line for every item, and what it takes to go on after a stop."""

from __future__ import annotations

from studio.dataset.results.folder import Failures, ResultLine, ResultsFolder, Session, Totals, as_json
from studio.dataset.results.journal import JournalEntry
from studio.dataset.results.parquet import write_parquet
from studio.dataset.results.writer import ResultsWriter

__all__ = [
    "Failures",
    "JournalEntry",
    "ResultLine",
    "ResultsFolder",
    "ResultsWriter",
    "Session",
    "Totals",
    "as_json",
    "write_parquet",
]
