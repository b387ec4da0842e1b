"""Matrices that lie in files: float32 there, float64 where they are read, so that memory holds no more than is worked on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 2048  # rows that are read at a time


@dataclass(frozen=True)
class Rows:
    """N rows of F numbers, each at a place of a part. `rows[chosen]` chooses without reading; `np.asarray` reads."""

    parts: Sequence[NDArray[np.float32]]  # (M, F) each, memory-mapped
    part_of: NDArray[np.int64]  # (N,)
    place_of: NDArray[np.int64]  # (N,)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, F)."""
        return len(self.part_of), self.parts[0].shape[1]

    def __len__(self) -> int:
        return len(self.part_of)

    def __getitem__(self, chosen: NDArray[Any] | slice) -> "Rows":
        return Rows(self.parts, self.part_of[chosen], self.place_of[chosen])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        found = np.empty(self.shape, np.float64 if dtype is None else dtype)
        for number in np.unique(self.part_of):
            here = self.part_of == number
            found[here] = self.parts[number][self.place_of[here]]
        return found


Matrix = NDArray[np.float64] | Rows


def chunks(matrix: Matrix) -> Iterator[NDArray[np.float64]]:
    """The rows in their order, at most CHUNK at a time, (M, F) float64."""
    for start in range(0, max(len(matrix), 1), CHUNK):
        yield np.asarray(matrix[start : start + CHUNK], np.float64)
