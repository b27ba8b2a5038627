"""Captions: a picture in a sentence."""
