"""What needs no pixels: if a baseline is nearly as good as the model, the model may have learnt a shortcut."""

from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from quire.evaluation.metrics import Figure, share
from quire.training.proportions import Documents

MOST_SIZES = 2000  # images that a tree of the forest is grown on, at most


class Baselines(TypedDict):
    """Cross-validated accuracy of naming the commonest class, and of what size and length tell, where there are any."""

    majority: Figure
    size: NotRequired[Figure]
    length: NotRequired[Figure]


def baselines(
    sizes: NDArray[np.float64],
    lengths: NDArray[np.float64],
    targets: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    documents: Documents,
    seed: int,
) -> Baselines:
    """All, each fold predicted by what the others teach.

    Sizes are (N, 2) in pixels and lengths (N, 1) in characters, 0 where there is none; targets, folds and documents (N,).
    """
    forest, rest = size_forest(len(targets), seed), (targets, fold_of, documents)
    found = Baselines(majority=_crossed(DummyClassifier(strategy="most_frequent"), sizes, *rest))
    if sizes.any():
        found["size"] = _crossed(forest, shapes(sizes), *rest)
    if lengths.any():
        found["length"] = _crossed(forest, lengths, *rest)
    return found


def shapes(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width, height and aspect ratio, (N, 3), of sizes (N, 2) in pixels; 0 of none."""
    return np.column_stack([sizes, sizes[:, 0] / np.maximum(sizes[:, 1], 1)])


def size_forest(images: int, seed: int) -> RandomForestClassifier:
    """A random forest on the shapes of so many images, unfitted."""
    return RandomForestClassifier(max_samples=MOST_SIZES if images > MOST_SIZES else None, random_state=seed)


def _crossed(
    classifier: Any, inputs: NDArray[np.float64], targets: NDArray[np.int64], fold_of: NDArray[np.int64], documents: Documents
) -> Figure:
    guesses = cross_val_predict(classifier, inputs, targets, groups=fold_of, cv=LeaveOneGroupOut())
    return share(guesses == targets, documents)
