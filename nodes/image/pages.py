"""All pages of a picture that has several, where other nodes see the first."""

from studio import Field, Image, InputError, Node


class Pages(Node):
    """The pages of a picture in order, each upright and of its own size: those of a TIFF, the frames of a GIF, WebP,
    APNG or AVIF, the pictures of an MPO. A picture that has only one gives that one.
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
