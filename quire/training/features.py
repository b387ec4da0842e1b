"""Features of image files, computed as serving does it: ONNX Runtime, one image a run, threads over images."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from quire.command import BadInput
from quire.decode import UndecodableImage, decode
from quire.model.inputs import ResizeRule, resize
from quire.model.predictor import load_session, run
from quire.training.heads import Floats


def image_features(paths: Sequence[Path], encoder: Path, size: int, rule: ResizeRule, threads: int) -> tuple[Floats, Floats]:
    """Features (N, F) and class probabilities (N, K), float64, of N files. Raises BadInput for one that cannot be decoded."""
    session = load_session(encoder)

    def encoded(path: Path) -> list[NDArray[np.float32]]:
        return run(session, ("features", "class_probabilities"), images=square(path, size, rule)[None])

    with ThreadPoolExecutor(threads) as pool:
        rows = list(tqdm(pool.map(encoded, paths), "features", len(paths), unit="image", disable=None))
    return tuple(np.concatenate([row[number] for row in rows]).astype(np.float64) for number in (0, 1))  # type: ignore[return-value]


def square(path: Path, size: int, rule: ResizeRule) -> NDArray[np.uint8]:
    """A file as the encoder's input, (S, S, 3) uint8. Raises BadInput that names it."""
    try:
        return resize(decode(path.read_bytes(), size=size), size, rule)
    except UndecodableImage as error:
        raise BadInput(f"{path}: {error}") from error
