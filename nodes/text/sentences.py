"""A text cut into sentences."""

from studio import Node

from .._sentences import sentences


class Sentences(Node):
    """The sentences of a text in order, in any script; a blank line or an item of a list ends one, too."""

    version = "1"
    inline = True

    def run(self, text: str) -> list[str]:
        """Cut it."""
        return sentences(text)
