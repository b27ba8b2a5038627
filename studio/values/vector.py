"""Vector: an array of numbers, such as an embedding, with its dtype and shape kept."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from sys import getrefcount
from typing import TYPE_CHECKING, Any, Self

from studio.values.base import TEMPORARY, Media, MediaKind, frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Vector", "VectorKind"]


class Vector(Media):
    """An array of any shape: a read-only numpy array in `array`, at rest a safetensors file."""

    kind = "vector"

    def __init__(self, array: NDArray[Any] | list[Any]) -> None:
        import numpy as np

        given = getrefcount(array) <= TEMPORARY
        plain = _rounded(np.asarray(array))
        if plain.dtype.kind not in "fiub":
            raise ValueError(f"a vector holds floats, integers or bools, not {plain.dtype}")
        plain = np.ascontiguousarray(plain if plain.dtype.isnative else plain.astype(plain.dtype.newbyteorder("=")))
        self.array = frozen(plain, array, given=given)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """From the bytes of a .safetensors file with one tensor, or a .npy file; nothing is ever unpickled."""
        if data.startswith(b"\x93NUMPY"):
            return cls(_from_npy(data))
        import safetensors.numpy

        try:
            tensors = safetensors.numpy.load(data)
        except (safetensors.SafetensorError, KeyError):
            raise ValueError("neither a safetensors nor a .npy file") from None
        if len(tensors) != 1:
            raise ValueError(f"a file of {len(tensors)} tensors, where one is expected")
        return cls(next(iter(tensors.values())))

    @property
    def nbytes(self) -> int:
        return int(self.array.nbytes)

    def to_bytes(self) -> bytes:
        import safetensors.numpy

        return safetensors.numpy.save({"vector": self.array})

    def save(self, path: str | Path) -> Path:
        """Writes .npy or .safetensors, as the suffix says."""
        import numpy as np

        path = Path(path)
        if path.suffix == ".npy":
            np.save(path, self.array, allow_pickle=False)
        else:
            path.write_bytes(self.to_bytes())
        return path

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vector):
            return NotImplemented
        mine, theirs = self.array, other.array
        return mine.dtype == theirs.dtype and mine.shape == theirs.shape and mine.tobytes() == theirs.tobytes()

    def __hash__(self) -> int:
        return hash((self.array.shape, str(self.array.dtype)))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Vector, (self.array,))

    def __repr__(self) -> str:
        return f"Vector({'×'.join(map(str, self.array.shape))}, {self.array.dtype})"


class VectorKind(MediaKind[Vector]):
    """An array of numbers."""

    name = "vector"
    suffix = ".safetensors"
    python = Vector

    def convert(self, raw: object) -> Vector:
        return Vector(raw)  # type: ignore[arg-type]


def _rounded(array: NDArray[Any]) -> NDArray[Any]:
    """The array, decimals in it as the floats next to them: what a model gave has no more digits than these."""
    import numpy as np

    if array.dtype.kind != "O" or not any(isinstance(item, Decimal) for item in array.flat):
        return array
    if any(isinstance(item, bool) or not isinstance(item, int | float | Decimal) for item in array.flat):
        return array
    floats = array.astype(np.float64)
    if not np.isfinite(floats).all():
        raise ValueError(
            f"a vector holds floats of 64 bits, and one of its numbers is beyond them: {max(array.flat, key=abs)}"
        )
    return floats


def _from_npy(data: bytes) -> NDArray[Any]:
    import io

    import numpy as np

    try:
        return np.load(io.BytesIO(data), allow_pickle=False)  # type: ignore[no-any-return]
    except (ValueError, EOFError, MemoryError, OverflowError) as error:
        raise ValueError(f"no .npy file that can be read: {str(error).partition(chr(10))[0]}") from None
