"""Features of images, computed as serving does it (ONNX Runtime, one image a run, threads over images) and kept by content.

The cache has a folder for each encoder with all else that decides: session settings, resize rule, size, decoder. In it lie tables
of rows, memory-mapped when they are read, each named after the hash of its bytes: a damaged one is known and computed anew.
"""

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tqdm import tqdm

from quire import decode as decoder
from quire.cache import name_of, open_folder, partial
from quire.command import BadInput
from quire.decode import UndecodableImage, decode
from quire.model import inputs, predictor
from quire.model.inputs import ResizeRule, resize
from quire.model.manifest import hash_part
from quire.model.predictor import load_session, run
from quire.training.rows import Rows

TABLE = 512  # rows of a table, at most
OUTPUTS = ("features", "class_probabilities")


class FeatureCache:
    """What an encoder says of images, (F,) features and (K,) class probabilities each, by the SHA-256 of their bytes."""

    def __init__(self, encoder: Path, size: int, rule: ResizeRule, cache: Path) -> None:
        self.encoder, self.size, self.rule = encoder, size, rule
        code = [hash_part(Path(str(file))) for file in (decoder.__file__, inputs.__file__, predictor.__file__, __file__)]
        versions = [version(library) for library in ("onnxruntime", "pillow", "numpy")]
        self.folder = open_folder(cache / "features" / name_of([hash_part(encoder), size, rule, code, versions]))
        self.tables: list[NDArray[Any]] = []  # rows of (content, features, class_probabilities)
        self.place_of: dict[bytes, tuple[int, int]] = {}  # of a content: table and row
        self.new: dict[bytes, NDArray[Any]] = {}
        self.lock = Lock()
        for path in sorted(self.folder.glob("*.npy")):
            self._open(path)

    @functools.cached_property
    def session(self) -> ort.InferenceSession:
        """The encoder; it is not even loaded where all is known."""
        return load_session(self.encoder)

    def rows(self, paths: Sequence[Path], contents: Sequence[str], threads: int) -> tuple[Rows, Rows]:
        """Features (N, F) and class probabilities (N, K) of N files with their SHA-256. Raises BadInput as `square` does."""
        keys = [bytes.fromhex(content) for content in contents]
        missing = [number for number, key in enumerate(keys) if key not in self.place_of]

        def compute(number: int) -> None:
            self.row(keys[number], lambda: square(paths[number], self.size, self.rule))

        with ThreadPoolExecutor(threads) as pool, tqdm(total=len(missing), desc="features", unit="image", disable=None) as bar:
            for start in range(0, len(missing), TABLE):
                for _ in pool.map(compute, missing[start : start + TABLE]):
                    bar.update()
        self.flush()
        places = np.array([self.place_of[key] for key in keys], np.int64).reshape(-1, 2)
        return tuple(Rows([table[name] for table in self.tables], *places.T) for name in OUTPUTS)  # type: ignore[return-value]

    def row(self, content: bytes, square: Callable[[], NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Features (1, F) and class probabilities (1, K) of an image with this SHA-256; `square`, (S, S, 3), if it is not known."""
        place, found = self.place_of.get(content), self.new.get(content)
        if place:
            found = self.tables[place[0]][place[1]]
        elif found is None:
            found = _packed(content, run(self.session, OUTPUTS, images=square()[None]))
            with self.lock:
                self.new[content] = found
                if len(self.new) >= TABLE:
                    self._write()
        return [found[name][None] for name in OUTPUTS]

    def flush(self) -> None:
        """Write what is new."""
        with self.lock:
            self._write()

    def _write(self) -> None:
        if not self.new:
            return
        with partial(open_folder(self.folder)) as begun:
            with begun.open("wb") as stream:
                np.save(stream, np.stack([self.new[key] for key in sorted(self.new)]))
            path = self.folder / f"{hash_part(begun)}.npy"
            os.replace(begun, path)
        self._open(path)
        self.new = {}

    def _open(self, path: Path) -> None:
        if hash_part(path) != path.stem:
            print(f"{path}: damaged, so what it held is computed anew")
            path.unlink(missing_ok=True)
            return
        table = np.load(path, mmap_mode="r", allow_pickle=False)
        for number, content in enumerate(table["content"]):
            self.place_of[content.tobytes()] = len(self.tables), number
        self.tables.append(table)


def _packed(content: bytes, outputs: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
    """A row of a table: the content's SHA-256, features, class probabilities."""
    parts = [(name, "<f4", output.shape[1:]) for name, output in zip(OUTPUTS, outputs, strict=True)]
    row = np.zeros((), [("content", "V32"), *parts])
    row["content"] = content
    for name, output in zip(OUTPUTS, outputs, strict=True):
        row[name] = output[0]
    return row


def square(path: Path, size: int, rule: ResizeRule) -> NDArray[np.uint8]:
    """A file as the encoder's input, (S, S, 3) uint8. Raises BadInput that names it."""
    try:
        return resize(decode(path.read_bytes(), size=size), size, rule)
    except UndecodableImage as error:
        raise BadInput(f"{path}: {error}") from error
