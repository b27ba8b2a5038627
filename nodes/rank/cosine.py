"""How close vectors are."""

import numpy as np

from studio import Node, Vector


class Cosine(Node):
    """The cosine of one vector to each of several: 1 the same direction, 0 unrelated, -1 opposite."""

    version = "1"
    inline = True

    def run(self, vector: Vector, vectors: list[Vector]) -> list[float]:
        """A cosine for each, in their order; a vector of no length is close to none."""
        one = _unit(vector.array)
        return [round(float(_unit(other.array) @ one), 6) for other in vectors]


def _unit(array: np.ndarray) -> np.ndarray:
    """A vector of length 1 in its direction."""
    flat = np.asarray(array, np.float64).ravel()
    length = float(np.linalg.norm(flat))
    return flat / length if length else flat
