"""The command `studio`: runs it, and ends the process with its exit code. What it can do lies in studio/commands."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import NoReturn

import click

from studio.commands.errors import color, failed
from studio.commands.group import cli


def main() -> int:
    """Runs the command; the exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = cli.main(prog_name="studio", standalone_mode=False, color=color())
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, click.Abort):
        _stop_at_once()
    except click.ClickException as error:
        error.show()
        return 2
    except BrokenPipeError:  # the reader of our output has gone
        os._exit(0)
    except Exception as error:
        return failed(error)


def _terminated(*_: object) -> None:
    raise KeyboardInterrupt


def _stop_at_once() -> NoReturn:
    """Ends in the middle of things; what is cached is whole at any moment."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    click.echo("interrupted", err=True)
    end(130)


def end(code: int) -> NoReturn:
    """Ends the process with its workers. A Ray of its own is not asked to end, which would take it seconds."""
    if "ray" not in sys.modules and code != 130:
        sys.exit(code)
    if executors := sys.modules.get("studio.executors"):
        executors.abandon_all()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    end(main())
