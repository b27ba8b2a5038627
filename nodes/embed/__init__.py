"""Embeddings: texts as vectors, close in meaning where close in direction."""
