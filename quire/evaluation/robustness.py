"""The same image in another file: which answers stay when only the file changed."""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from quire.decode import decode
from quire.evaluation.baselines import shapes, size_forest
from quire.evaluation.metrics import Figure, share
from quire.model.inputs import resize
from quire.model.predictor import Answer, Predictor
from quire.training.proportions import Documents

MOST = 300  # images; of more, so many are drawn with a seed


class Stays(TypedDict):
    """Shares that stay: of the predictions, of the decisions, and of what the size alone would have predicted."""

    predictions: Figure
    decisions: Figure
    size_baseline: Figure


class Robustness(TypedDict):
    """What stays through each change, and of how many images."""

    images: int
    changes: dict[str, Stays]


def _scaled(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize((max(round(image.width * factor), 1), max(round(image.height * factor), 1)))


def _jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def _cropped(image: Image.Image) -> Image.Image:
    return ImageOps.crop(image, (image.width // 20, image.height // 20, image.width // 20, image.height // 20))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half_size": _scaled(0.5),
    "double_size": _scaled(2),
    "jpeg_quality_30": _jpeg,
    "grey": lambda image: image.convert("L").convert("RGB"),
    "crop_to_90_percent": _cropped,
    "mirrored": ImageOps.mirror,
    "white_border": lambda image: ImageOps.expand(image, max(image.size) // 20, "white"),
    "other_aspect_ratio": lambda image: image.resize((round(image.width * 1.2), image.height)),
}


def robustness(
    predictor: Predictor,
    files: Sequence[Path],
    sizes: NDArray[np.float64],
    targets: NDArray[np.int64],
    documents: Documents,
    seed: int,
) -> Robustness:
    """Per change: the share of answers that stay. Of many files a seeded draw is read, and no other.

    Beside it the same share for the baseline that knows width and height alone. Sizes are (N, 2) in pixels, targets and
    documents (N,).
    """
    chosen = sorted(Random(seed).sample(range(len(files)), min(MOST, len(files))))
    forest = size_forest(len(sizes), seed).fit(shapes(sizes), targets)
    documents = documents[chosen]
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(lambda number: _answers(predictor, files[number].read_bytes()), chosen))
    plain = forest.predict(shapes(sizes[chosen]))

    def stays(name: str) -> Stays:
        new = forest.predict(shapes(np.array([row[name][1] for row in rows], np.float64)))
        return {
            "predictions": share(np.array([row[name][0].prediction == row[""][0].prediction for row in rows]), documents),
            "decisions": share(np.array([row[name][0].decision == row[""][0].decision for row in rows]), documents),
            "size_baseline": share(new == plain, documents),
        }

    return {"images": len(chosen), "changes": {name: stays(name) for name in CHANGES}}


def _answers(predictor: Predictor, data: bytes) -> dict[str, tuple[Answer, tuple[int, int]]]:
    """The answer for the image, under "", and for each change of it; and the size of each, as a file of it would have.

    Decoded as in serving, where a large JPEG is made small: the share that stays is of answers that are given.
    """
    image = decode(data, size=predictor.size)
    scale = image.info["size"][0] / image.width, image.info["size"][1] / image.height
    changed = {"": image} | {name: change(image) for name, change in CHANGES.items()}
    squares = np.stack([resize(each, predictor.size, predictor.rule) for each in changed.values()])  # (9, S, S, 3) uint8
    outputs = predictor.run(squares)
    pairs = zip(changed.items(), outputs.probabilities, outputs.unfamiliarity, strict=True)
    return {name: (predictor.answer(row, float(score)), _times(each.size, scale)) for (name, each), row, score in pairs}


def _times(size: tuple[int, int], scale: tuple[float, float]) -> tuple[int, int]:
    return round(size[0] * scale[0]), round(size[1] * scale[1])
