"""Features and images that lie in files, so that memory holds no more of them than is worked on."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
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


@dataclass(frozen=True)
class Squares:
    """N images, (S, S, 3) uint8, each at a place of a file. `squares[chosen]` chooses without reading."""

    pixels: NDArray[np.uint8]  # (M, S, S, 3), memory-mapped
    places: NDArray[np.int64]  # (N,)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, chosen: NDArray[Any]) -> "Squares":
        return Squares(self.pixels, self.places[chosen])

    def image(self, number: int) -> NDArray[np.uint8]:
        """One of them, (S, S, 3), in memory."""
        return np.array(self.pixels[self.places[number]])

    def batches(self, size: int) -> Iterator[NDArray[np.uint8]]:
        """All of them in their order, (B, S, S, 3) each, B at most `size`."""
        for start in range(0, len(self), size):
            yield self.pixels[self.places[start : start + size]]


def in_file(images: Iterable[NDArray[np.uint8]], count: int, size: int, folder: Path) -> Squares:
    """So many images of this size as a file in `folder` that has no name, and so is gone when nothing reads it any longer."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as stream:
        pixels = np.memmap(stream, np.uint8, "w+", shape=(count, size, size, 3))
    for number, image in enumerate(images):
        pixels[number] = image
    return Squares(pixels, np.arange(count))


Matrix = NDArray[np.float64] | Rows


def chunks(matrix: Matrix) -> Iterator[NDArray[np.float64]]:
    """The rows in their order, at most CHUNK at a time, (M, F) float64."""
    for start in range(0, max(len(matrix), 1), CHUNK):
        yield np.asarray(matrix[start : start + CHUNK], np.float64)
