"""Retrieval: how well a picture and a text go together."""
