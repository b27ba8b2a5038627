"""Workers that stay: which are there, whose turn it is, and what becomes of their tasks. It knows no Ray."""
