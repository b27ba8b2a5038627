from studio import Node


class Up(Node):
    """Up."""

    def run(self, text: str) -> str:
        if "bad" in text:
            raise ValueError("it is bad")
        return text.upper()


class Times(Node):
    """Times."""

    def run(self, text: str, n: float) -> str:
        return text * int(n)
