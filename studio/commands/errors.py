"""Errors as a command tells them: a line on stderr, an object on stdout, and the exit code."""

from __future__ import annotations

import json
import os
import sys

import click

__all__ = ["color", "failed", "tell_error"]


def failed(error: Exception) -> int:
    """Tells an error of ours, and gives its exit code; raises any other: that is a bug of ours."""
    from studio.errors import StudioError

    if not isinstance(error, StudioError):
        raise error
    if "--json" in sys.argv:
        problems = [vars(problem) for problem in getattr(error, "problems", ())]
        told = {"error": str(error), "exit_code": error.exit_code, "problems": problems}
        click.echo(json.dumps(told, ensure_ascii=False), file=sys.__stdout__)
    tell_error(str(error))
    return error.exit_code


def tell_error(message: str) -> None:
    """A line on stderr."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True, color=color())


def color() -> bool | None:
    """No colour where NO_COLOR asks for none; otherwise as the terminal bears it."""
    return False if os.environ.get("NO_COLOR") else None
