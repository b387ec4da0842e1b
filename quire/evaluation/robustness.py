"""The same image in another file: which answers stay when only the file changed."""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.ensemble import RandomForestClassifier

from quire.decode import decode, resize
from quire.evaluation.metrics import proportion
from quire.model.predictor import Answer, Predictor

MOST = 300  # images; of more, so many are drawn with a seed


def _scaled(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize((max(round(image.width * factor), 1), max(round(image.height * factor), 1)))


def _jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def _cropped(image: Image.Image) -> Image.Image:
    return ImageOps.crop(image, (image.width // 20, image.height // 20, image.width // 20, image.height // 20))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half size": _scaled(0.5),
    "double size": _scaled(2),
    "JPEG quality 30": _jpeg,
    "grey": lambda image: image.convert("L").convert("RGB"),
    "crop to 90 %": _cropped,
    "mirrored": ImageOps.mirror,
    "white border": lambda image: ImageOps.expand(image, max(image.size) // 20, "white"),
    "other aspect ratio": lambda image: image.resize((round(image.width * 1.2), image.height)),
}


def other_files(
    predictor: Predictor, files: Sequence[bytes], sizes: NDArray[np.float64], targets: NDArray[np.int64], seed: int
) -> dict[str, Any]:
    """Per change: the share of answers that stay, both the likeliest label and the decision.

    Beside it the same share for the baseline that knows width and height alone. Sizes are (N, 2) in pixels, targets (N,).
    """
    chosen = sorted(Random(seed).sample(range(len(files)), min(MOST, len(files))))
    forest = RandomForestClassifier(random_state=seed).fit(_shape(sizes), targets)
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(lambda number: _answers(predictor, decode(files[number])), chosen))
    plain = forest.predict(_shape(sizes[chosen]))
    return {"images": len(chosen)} | {
        name: {
            "stay": proportion(sum(row[name][0].prediction == row[""][0].prediction for row in rows), len(rows)),
            "decisions_stay": proportion(sum(row[name][0].decision == row[""][0].decision for row in rows), len(rows)),
            "size_baseline_stays": proportion(
                int((forest.predict(_shape(np.array([row[name][1] for row in rows], np.float64))) == plain).sum()), len(rows)
            ),
        }
        for name in CHANGES
    }


def _shape(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([sizes, sizes[:, 0] / sizes[:, 1]])  # as quire.evaluation.baselines


def _answers(predictor: Predictor, image: Image.Image) -> dict[str, tuple[Answer, tuple[int, int]]]:
    changed = {"": image} | {name: change(image) for name, change in CHANGES.items()}
    squares = np.stack([resize(each, predictor.size, predictor.rule) for each in changed.values()])  # (9, S, S, 3) uint8
    outputs = predictor.run(squares)
    pairs = zip(changed.items(), outputs.probabilities, outputs.unfamiliarity, strict=True)
    return {name: (predictor.answer(row, float(score)), each.size) for (name, each), row, score in pairs}
