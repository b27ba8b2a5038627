"""Audio from audio. No weights."""
