"""The command `studio`, and `python -m studio`: calls cli.py, wherever this installation keeps it."""

from __future__ import annotations

import importlib
import sys

from studio.home import CLI


def main() -> None:
    """Runs the command and ends with its exit code."""
    sys.exit(importlib.import_module(CLI).main())


if __name__ == "__main__":
    main()
