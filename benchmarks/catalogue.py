"""Text, image and both on a catalogue: python -m benchmarks.catalogue <folder with products.csv and its photos>.

Cross-validated in ten folds, products of equal photo or text kept together, weights nested: accuracy and calibration error of the
image alone, the text alone, and both; first with the title as text, then with title and description.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.special import softmax

from benchmarks.reviews import ANALYSER, RIDGE
from quire.command import machine
from quire.evaluation.calibration import expected_calibration_error
from quire.items.groups import assign, by_group
from quire.items.rows import Columns
from quire.items.tables import Item, read_csv, read_table
from quire.training.cross_validation import out_of_fold
from quire.training.encoders import ImageEncoder
from quire.training.features import FeatureCache
from quire.training.heads import Floats
from quire.training.onnx_export import export_encoder
from quire.training.strategies import Frozen, Plan, limited_to
from quire.training.text import count
from quire.training.text_expert import out_of_fold_both, out_of_fold_text
from stages.extract import extract

SIZE, FOLDS, SEED = 224, 10, 20
BOUNDS = {"source": "embedded", "dpi": 150, "max_pages": 1000, "max_pixels": 50_000_000, "max_seconds": 60.0, "min_side": 16}
BOUNDS |= {"max_images": 2000, "max_bytes": 2_000_000_000, "max_memory": 512}


def main() -> None:
    for columns in (["title"], ["title", "description"]):
        with tempfile.TemporaryDirectory() as folder, limited_to(1):
            measure(Path(sys.argv[1]), Path(folder), columns)


def measure(raw: Path, folder: Path, columns: list[str]) -> None:
    paths = [folder / name for name in ("images", "texts.csv", "labels.csv", "items.csv")]
    table = Columns(key="id", text=columns, image="image", label="category")
    extract(raw, *paths, table=table, **BOUNDS)  # type: ignore[arg-type]
    label_of = {row["key"]: row["label"] for row in read_csv(paths[2])}
    text_of = {row["key"]: row["text"] for row in read_csv(paths[1])}
    items = sorted(
        (item for item in read_table(paths[3], Item) if item.key in label_of and item.image), key=lambda item: str(item.key)
    )
    keys, labels = [str(item.key) for item in items], sorted(set(label_of.values()))
    targets = np.array([labels.index(label_of[key]) for key in keys])
    fold_of = folds(items, label_of, keys)
    encoder = folder / "encoder.onnx"
    export_encoder(ImageEncoder("efficientnet-lite0", SIZE).eval(), SIZE, encoder)
    cache, contents = FeatureCache(encoder, SIZE, "crop", machine().cache), [str(item.image_sha256) for item in items]
    read = cache.rows([paths[0] / str(item.image) for item in items], contents, machine().threads)
    image = out_of_fold(Frozen(Plan(len(labels), None, 0.01, 0.01, 0.99, None), *read), targets, fold_of)
    text = out_of_fold_text(count((text_of[key] for key in keys), ANALYSER), targets, fold_of, len(labels), RIDGE)
    both = out_of_fold_both(image.logits, text.logits, text.unfamiliarity, targets, fold_of)
    for name, logits in (("image", image.logits), (" and ".join(columns), text.logits), ("both", both.logits)):
        report(name, logits, targets)


def folds(items: list[Item], label_of: dict[str, str], keys: list[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Each item's fold, (N,)."""
    of_group: dict[tuple[str, ...], int] = {}
    assign(by_group(items), label_of, dict.fromkeys(range(FOLDS), 1 / FOLDS), SEED, of_group)
    of_key = {key: fold for group, fold in of_group.items() for key in group}
    return np.array([of_key[key] for key in keys])


def report(name: str, logits: Floats, targets: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    right = logits.argmax(1) == targets
    error = expected_calibration_error(softmax(logits, axis=1).max(1), right)
    print(f"{name}: {len(targets)} products, accuracy {right.mean():.4f}, calibration error {error:.4f}", flush=True)


if __name__ == "__main__":
    main()
