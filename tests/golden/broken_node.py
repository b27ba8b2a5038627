"""It cannot be loaded."""

raise RuntimeError("not today")
