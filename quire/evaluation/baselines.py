"""What needs no pixels: if a baseline is nearly as good as the model, the model may have learnt a shortcut."""

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from quire.evaluation.metrics import Figure, share
from quire.training.proportions import Documents

MOST_SIZES = 2000  # images that a tree of the forest is grown on, at most


class Baselines(TypedDict):
    """Cross-validated accuracy of naming the commonest class, and of what width, height and their ratio tell."""

    majority: Figure
    size: Figure


def baselines(
    sizes: NDArray[np.float64], targets: NDArray[np.int64], fold_of: NDArray[np.int64], documents: Documents, seed: int
) -> Baselines:
    """Both, each fold predicted by what the others teach; sizes are (N, 2) in pixels, targets, folds and documents (N,)."""
    return {
        "majority": _crossed(DummyClassifier(strategy="most_frequent"), sizes, targets, fold_of, documents),
        "size": _crossed(size_forest(len(targets), seed), shapes(sizes), targets, fold_of, documents),
    }


def shapes(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width, height and aspect ratio, (N, 3), of sizes (N, 2) in pixels."""
    return np.column_stack([sizes, sizes[:, 0] / sizes[:, 1]])


def size_forest(images: int, seed: int) -> RandomForestClassifier:
    """A random forest on the shapes of so many images, unfitted."""
    return RandomForestClassifier(max_samples=MOST_SIZES if images > MOST_SIZES else None, random_state=seed)


def _crossed(
    classifier: Any, inputs: NDArray[np.float64], targets: NDArray[np.int64], fold_of: NDArray[np.int64], documents: Documents
) -> Figure:
    guesses = cross_val_predict(classifier, inputs, targets, groups=fold_of, cv=LeaveOneGroupOut())
    return share(guesses == targets, documents)
