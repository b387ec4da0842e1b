"""Features of images, computed as serving does it (ONNX Runtime, one image a run, threads over images) and kept by content.

The cache has a folder for each encoder with all else that decides: session settings, resize rule, size, decoder. In it lie tables
of rows, memory-mapped when they are read: first the contents that it knows, then the rows. Each is named after the hash of its
bytes, which is computed before a row of it is used: a damaged one is known and computed anew, one of other images is not read.
"""

import functools
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

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
Result = TypeVar("Result")


class FeatureCache:
    """What an encoder says of images, (F,) features and (K,) class probabilities each, by the SHA-256 of their bytes."""

    def __init__(self, encoder: Path, size: int, rule: ResizeRule, cache: Path) -> None:
        self.encoder, self.size, self.rule = encoder, size, rule
        code = [hash_part(Path(str(file))) for file in (decoder.__file__, inputs.__file__, predictor.__file__, __file__)]
        versions = [version(library) for library in ("onnxruntime", "pillow", "numpy")]
        self.folder = open_folder(cache / "features" / name_of([hash_part(encoder), size, rule, code, versions]))
        self.tables: list[NDArray[Any]] = []  # rows of (features, class_probabilities)
        self.unchecked: dict[int, Path] = {}  # tables of which no row was used yet
        self.place_of: dict[bytes, tuple[int, int]] = {}  # of a content: table and row
        self.new: dict[bytes, NDArray[Any]] = {}
        self.lock, self.checking = Lock(), Lock()
        for path in sorted(self.folder.glob("*.npy")):
            self._open(path)

    @functools.cached_property
    def session(self) -> ort.InferenceSession:
        """The encoder; it is not even loaded where all is known."""
        return load_session(self.encoder)

    def rows(self, paths: Sequence[Path], contents: Sequence[str], threads: int) -> tuple[Rows, Rows]:
        """Features (N, F) and class probabilities (N, K) of N files with their SHA-256. Raises BadInput as `square` does."""
        keys = [bytes.fromhex(content) for content in contents]
        missing = [number for number, key in enumerate(keys) if self._place(key) is None]

        def compute(number: int) -> None:
            self.row(keys[number], lambda: square(paths[number], self.size, self.rule))

        deque(self._over(missing, compute, threads), maxlen=0)
        places = np.array([self.place_of[key] for key in keys], np.int64).reshape(-1, 2)
        return tuple(Rows([table[name] for table in self.tables], *places.T) for name in OUTPUTS)  # type: ignore[return-value]

    def unusable(self, paths: Sequence[Path], contents: Sequence[str], threads: int) -> dict[int, UndecodableImage | None]:
        """Read all of N files and keep what is new; the numbers of those that cannot be used.

        They cannot be decoded, as the error says, or there is none, and their content is another than their SHA-256 says.
        """

        def compute(number: int) -> UndecodableImage | bool | None:
            data = paths[number].read_bytes()
            if hashlib.sha256(data).hexdigest() != contents[number]:
                return None
            try:
                self.row(bytes.fromhex(contents[number]), lambda: resize(decode(data, size=self.size), self.size, self.rule))
            except UndecodableImage as error:
                return error
            return True

        found = enumerate(self._over(range(len(paths)), compute, threads))
        return {number: why for number, why in found if not isinstance(why, bool)}

    def _over(self, numbers: Sequence[int], compute: Callable[[int], Result], threads: int) -> Iterator[Result]:
        with ThreadPoolExecutor(threads) as pool, tqdm(total=len(numbers), desc="features", unit="image", disable=None) as bar:
            for start in range(0, len(numbers), TABLE):
                for result in pool.map(compute, numbers[start : start + TABLE]):
                    bar.update()
                    yield result
        self.flush()

    def row(self, content: bytes, square: Callable[[], NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Features (1, F) and class probabilities (1, K) of an image with this SHA-256; `square`, (S, S, 3), if it is not known."""
        place, found = self._place(content), self.new.get(content)
        if place:
            found = self.tables[place[0]][place[1]]
        elif found is None:
            found = _packed(run(self.session, OUTPUTS, images=square()[None]))
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
                keys = sorted(self.new)
                np.save(stream, np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32))
                np.save(stream, np.stack([self.new[key] for key in keys]))
            path = self.folder / f"{hash_part(begun)}.npy"
            os.replace(begun, path)
        self._open(path, own=True)
        self.new = {}

    def _open(self, path: Path, own: bool = False) -> None:
        try:
            contents, table = _mapped(path)
        except (ValueError, EOFError, SyntaxError):
            _drop(path)
            return
        if not own:
            self.unchecked[len(self.tables)] = path
        self.place_of |= {content.tobytes(): (len(self.tables), number) for number, content in enumerate(contents)}
        self.tables.append(table)

    def _place(self, content: bytes) -> tuple[int, int] | None:
        """Table and row of a content, of a table that is whole."""
        place = self.place_of.get(content)
        if place is None or place[0] not in self.unchecked:
            return place
        with self.checking:
            path = self.unchecked.get(place[0])
            if path and not _is_whole(path):
                self.place_of = {key: other for key, other in self.place_of.items() if other[0] != place[0]}
            self.unchecked.pop(place[0], None)
        return self.place_of.get(content)


def _is_whole(path: Path) -> bool:
    try:
        whole = hash_part(path) == path.stem
    except FileNotFoundError:  # somebody cleared the cache
        return False
    if not whole:
        _drop(path)
    return whole


def _drop(path: Path) -> None:
    print(f"{path}: damaged, so what it held is computed anew")
    path.unlink(missing_ok=True)


def _mapped(path: Path) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """The contents that a table knows, (M, 32), and its rows, (M,), which lie in the file. Raises what NumPy does for others."""
    with path.open("rb") as stream:
        contents = np.lib.format.read_array(stream, allow_pickle=False)
        np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        return contents, np.memmap(path, dtype, "r", stream.tell(), shape)


def _packed(outputs: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
    """A row of a table: features, class probabilities."""
    parts = [(name, "<f4", output.shape[1:]) for name, output in zip(OUTPUTS, outputs, strict=True)]
    row = np.zeros((), parts)
    for name, output in zip(OUTPUTS, outputs, strict=True):
        row[name] = output[0]
    return row


def square(path: Path, size: int, rule: ResizeRule) -> NDArray[np.uint8]:
    """A file as the encoder's input, (S, S, 3) uint8. Raises BadInput that names it."""
    try:
        return resize(decode(path.read_bytes(), size=size), size, rule)
    except UndecodableImage as error:
        raise BadInput(f"{path}: {error}") from error
