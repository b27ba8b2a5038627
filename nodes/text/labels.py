"""The kinds of things that boxes hold, as words."""

from studio import Boxes, Node

from .._articles import with_article


class Labels(Node):
    """Each kind of thing among boxes once, with its article, the most sure first: `a person`, `an apple`."""

    version = "1"
    inline = True

    def run(self, boxes: Boxes) -> list[str]:
        """List them; boxes come with the surest first."""
        return [with_article(label) for label in dict.fromkeys(boxes.labels)]
