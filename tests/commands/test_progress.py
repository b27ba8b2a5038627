"""The report: events as lines for people."""

import io

from studio.commands.terminal import Report
from tests.support.door import run_log

GRAPH = "nodes: {good: {use: Upper, with: {text: x}}, bad: {use: Boom, with: {text: x}}, after: {use: Upper, in: {text: bad}}}\noutputs: {g: good, b: after}"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream, **options) -> str:
    log = run_log(GRAPH)
    with Report(stream, **options) as report:
        for event in log.events:
            report.hear(event)
    return stream.getvalue()


def test_a_line_a_step():
    lines = [line.split()[:2] for line in shown(io.StringIO()).splitlines()]
    assert sorted(lines) == [["after", "skipped"], ["bad", "failed"], ["good", "done"]]
    lines = [line.split()[:2] for line in shown(io.StringIO()).splitlines()]
    assert ["good", "cached"] in lines


def test_quiet_and_debug():
    assert shown(io.StringIO(), quiet=True) == ""
    assert "Traceback" in shown(io.StringIO(), debug=True)
    assert "Traceback" not in shown(io.StringIO())


def test_a_live_table_in_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    text = shown(Terminal())
    assert "good" in text
    assert "failed" in text
