"""One plan, executed: the only place where plan, cache and executors meet."""
