"""Units: sizes in bytes as people write them."""

from __future__ import annotations

import re

__all__ = ["parse_bytes", "show_bytes"]


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_bytes(text: str | float) -> int:
    """'2G', '512 MiB', '1.5GB' or a plain number, as bytes (units are powers of 1024)."""
    match = re.fullmatch(r"\s*([\d.]+)\s*([KMGT]?)(?:i?B)?\s*", str(text), re.IGNORECASE)
    if not match:
        raise ValueError(f"'{text}' is not a size; write it like 512M or 2G")
    try:
        return int(float(match[1]) * _UNITS[match[2].upper()])
    except OverflowError:
        raise ValueError(f"'{match[0][:20]}…' is too large a size") from None


def show_bytes(size: int) -> str:
    """A size for people: 1.5 GiB."""
    amount, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
