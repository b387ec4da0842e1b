"""The labelled items of the tables between the stages, as arrays: all but the test set, of which training reads nothing."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quire.command import BadInput
from quire.items.tables import Assignment, Item, Label, read_table
from quire.model.manifest import Modality
from quire.training.proportions import Documents


@dataclass(frozen=True)
class Dataset:
    """N labelled items in the order of their keys."""

    items: list[Item]
    labels: list[str]  # the classes, sorted; a target is an index into them
    targets: NDArray[np.int64]  # (N,)
    sets: NDArray[np.str_]  # (N,): train, validation
    fold_of: NDArray[np.int64]  # (N,)
    documents: Documents  # (N,), of the ledger's groups: documents joined by equal images are one

    @property
    def keys(self) -> list[str]:
        """Their keys."""
        return [str(item.key) for item in self.items]

    def has(self, modality: Modality) -> NDArray[np.bool_]:
        """Which items have an image, or a text, (N,) bool."""
        name = "image" if modality == "image" else "text_sha256"
        return np.array([getattr(item, name) is not None for item in self.items], bool)

    def of(self, chosen: NDArray[np.bool_]) -> "Dataset":
        """Some of the items, (N,) bool, with the same labels."""
        rows = np.flatnonzero(chosen)
        items = [self.items[row] for row in rows]
        return Dataset(items, self.labels, self.targets[rows], self.sets[rows], self.fold_of[rows], self.documents[rows])

    def without_images(self, keys: Collection[str]) -> "Dataset":
        """Without some images: an item with a text keeps that, another goes. Raises BadInput where nothing is left of a label."""
        items = [replace(item, image=None, image_sha256=None) if item.key in keys else item for item in self.items]
        rest = replace(self, items=items).of(np.array([bool(item.image or item.text_sha256) for item in items], bool))
        gone = [label for target, label in enumerate(self.labels) if target not in rest.targets[rest.sets == "train"]]
        if gone:
            raise BadInput(f"no item of {', '.join(gone)} in the training set can be used; `dvc repro -f` finds the others")
        return rest

    def rows(self) -> Iterator[tuple[Item, str, str, int]]:
        """Item, label, set and fold of each."""
        for item, target, name, fold in zip(self.items, self.targets.tolist(), self.sets, self.fold_of.tolist(), strict=True):
            yield item, self.labels[target], str(name), fold


def read_dataset(items: Path, labels: Path, split: Path) -> Dataset:
    """Read the ledger, the labels and the split, and leave the test set out."""
    label_of = {row.key: row.label for row in read_table(labels, Label)}
    assigned = {row.key: row for row in read_table(split, Assignment) if row.set != "test"}
    labelled = sorted((item for item in read_table(items, Item) if item.key in assigned), key=lambda item: str(item.key))
    classes = sorted({label_of[str(item.key)] for item in labelled})
    rows = [assigned[str(item.key)] for item in labelled]
    return Dataset(
        items=labelled,
        labels=classes,
        targets=np.array([classes.index(label_of[row.key]) for row in rows]),
        sets=np.array([row.set for row in rows]),
        fold_of=np.array([row.fold for row in rows], np.int64),
        documents=np.unique([item.group or item.source for item in labelled], return_inverse=True)[1],
    )
