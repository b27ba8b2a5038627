"""The shelf: one file a node, named by its path (`asr/whisper.py` is `asr.whisper`); an underscore file is no node."""
