"""A text written from a template."""

from studio import Field, Node, Prompt


class Template(Node):
    """Text from a Jinja template over the step's named wires."""

    version = "1"
    inline = True

    class Config(Node.Config):
        """The template."""

        template: Prompt = Field(description="Jinja2, sandboxed; each wire of the step is a variable")

    config: Config

    def run(self, **wires: str) -> str:
        """Fill in the wires."""
        return self.config.template.render(**wires)
