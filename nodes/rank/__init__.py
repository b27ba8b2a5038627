"""Ranking: scores of several sources brought together, and texts put in order by them. No weights."""
