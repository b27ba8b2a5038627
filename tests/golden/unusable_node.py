"""Nodes that cannot be used, each for a reason of its own."""

from studio import Node


class NoRun(Node):
    pass


class NoTypes(Node):
    def run(self, text) -> str: ...


class NoResult(Node):
    def run(self, text: str): ...


class OddType(Node):
    def run(self, text: set) -> str: ...


class Stars(Node):
    def run(self, *texts: str) -> str: ...


class Misspelt(Node):
    def run(self, text: str) -> str: ...
