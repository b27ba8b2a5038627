"""Tiny trained weights of our own, and what made them: see README.md."""
