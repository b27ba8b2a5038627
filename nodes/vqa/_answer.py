"""What the nodes that answer questions about pictures share: their outputs, and the way out without a hub."""

from typing import NamedTuple

INSTEAD = "describe the picture by nodes with packaged weights (detect.*, ocr.*) and ask llm.chat"


class Answer(NamedTuple):
    """A short answer, and how sure the model is of it, from 0 to 1."""

    text: str
    score: float
