"""What an evaluation goes by: the ledger, the split, and both sets of predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quire.evaluation.predictions import Predictions, in_columns, predict, write_predictions
from quire.items.tables import Assignment, Item, Label, Prediction, SetName, read_table, read_texts
from quire.model.predictor import Predictor

TEST, CROSSED = "test set", "cross-validation"  # the second holds no image of the first: what is chosen by, is chosen by it


@dataclass(frozen=True)
class Facts:
    """The ledger, and for the kept items of a key the row, the image's file and the set.

    `predicted` are the served model's predictions of the test set, under TEST, and those out of fold, under CROSSED.
    """

    items: list[Item]
    kept: Mapping[str, Item]
    files: Mapping[str, Path]  # of those with an image
    texts: Mapping[str, str]  # of those with a text
    set_of: Mapping[str, SetName]
    predicted: Mapping[str, Predictions]
    fold_of: NDArray[np.int64]  # (N,), of those out of fold

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Width and height in pixels of the items predicted out of fold, (N, 2); 0 without an image."""
        rows = [self.kept[key] for key in self.predicted[CROSSED].keys]
        return np.array([(row.width or 0, row.height or 0) for row in rows], np.float64)

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Characters of the texts of the items predicted out of fold, (N, 1); 0 without one."""
        return np.array([[self.kept[key].text_chars or 0] for key in self.predicted[CROSSED].keys], np.float64)


def find_facts(predictor: Predictor, images: Path, texts: Path, items: Path, labels: Path, split: Path, reports: Path) -> Facts:
    """Read the tables, and write reports/predictions.csv: the answers for all kept items, one image in memory at a time.

    Raises BadInput for an image of `train`'s that cannot be decoded any more and for a table that does not fit the others.
    """
    ledger = read_table(items, Item)
    kept = {str(item.key): item for item in ledger if item.status == "kept"}
    files = {key: images / str(item.image) for key, item in kept.items() if item.image}
    said = {key: text for key, text in read_texts(texts).items() if key in kept}
    label_of = {row.key: row.label for row in read_table(labels, Label)}
    served, out_of_fold = reports / "predictions.csv", reports / "out_of_fold.csv"
    crossed = read_table(out_of_fold, Prediction)
    held_out = in_columns(crossed, predictor.labels, kept, out_of_fold)
    trained = {row.key for row in crossed}  # but for what `train` went on without
    set_of = {row.key: row.set for row in read_table(split, Assignment) if row.set == "test" or row.key in trained}
    tested = write_predictions(served, predict(predictor, files, said, label_of, set_of))
    return Facts(
        items=ledger,
        kept=kept,
        files=files,
        texts=said,
        set_of=set_of,
        predicted={
            TEST: in_columns(tested, predictor.labels, kept, served),
            CROSSED: held_out,
        },
        fold_of=np.array([row.fold for row in crossed], np.int64),
    )
