"""Several texts as one."""

from studio import Field, Node


class Join(Node):
    """Texts joined in order, with a separator between them."""

    version = "1"
    inline = True

    class Config(Node.Config):
        """What stands between two texts."""

        separator: str = Field("\n", description="put between neighbours")

    config: Config

    def run(self, texts: list[str]) -> str:
        """Join them."""
        return self.config.separator.join(texts)
