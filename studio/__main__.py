"""The command `studio`, and `python -m studio`: calls cli.py, wherever this installation keeps it."""

from __future__ import annotations

import importlib

from studio.paths import CLI


def main() -> None:
    """Runs the command and ends with its exit code."""
    command = importlib.import_module(CLI)
    command.end(command.main())


if __name__ == "__main__":
    main()
