"""How well texts go with pictures."""
