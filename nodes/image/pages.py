"""All pages of a picture that has several, where other nodes see the first."""

from studio import Field, Image, InputError, Node


class Pages(Node):
    """All pages of a picture in order, each upright and of its own size; where it has only one, that one.

    These are the pages of a TIFF, the frames of a GIF, WebP, APNG or AVIF, the pictures of an MPO.
    """

    version = "1"

    class Config(Node.Config):
        """How many pages may come."""

        most: int = Field(200, ge=1, le=10_000, description="a picture with more pages is refused")

    config: Config

    def run(self, image: Image) -> list[Image]:
        """Take them apart."""
        try:
            return image.pages(self.config.most)
        except ValueError as error:
            raise InputError(str(error)) from None
