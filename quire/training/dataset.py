"""The labelled items of the tables between the stages, as arrays: all but the test set, of which training reads nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quire.command import BadInput
from quire.items.tables import Assignment, Item, Label, read_table
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

    def without(self, numbers: Iterable[int]) -> "Dataset":
        """Without some of the items. Raises BadInput where no image of a label is left to fit on."""
        left = np.setdiff1d(np.arange(len(self.items)), list(numbers))
        items = [self.items[number] for number in left]
        rest = Dataset(items, self.labels, self.targets[left], self.sets[left], self.fold_of[left], self.documents[left])
        gone = [label for target, label in enumerate(self.labels) if target not in rest.targets[rest.sets == "train"]]
        if gone:
            raise BadInput(f"no image of {', '.join(gone)} in the training set can be used; `dvc repro -f` finds the others")
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
