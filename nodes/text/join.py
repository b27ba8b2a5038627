"""Several texts as one."""

from studio import Field, Node


class Join(Node):
    """Texts joined in order, with a separator between them, and perhaps another before the last."""

    version = "1"
    inline = True

    class Config(Node.Config):
        """What stands between two texts."""

        separator: str = Field("\n", description="put between neighbours")
        last: str | None = Field(None, description="put before the last one instead, such as ' and '")

    config: Config

    def run(self, texts: list[str]) -> str:
        """Join them."""
        if self.config.last is None or len(texts) < 2:
            return self.config.separator.join(texts)
        return self.config.separator.join(texts[:-1]) + self.config.last + texts[-1]
