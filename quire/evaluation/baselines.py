"""What needs no pixels: if a baseline is nearly as good as the model, the model may have learnt a shortcut."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from quire.evaluation.metrics import Figure, proportion


def majority(targets: NDArray[np.int64], fold_of: NDArray[np.int64]) -> Figure:
    """Cross-validated accuracy of always naming the commonest class of the other folds."""
    correct = 0
    for fold in np.unique(fold_of):
        commonest = Counter(targets[fold_of != fold].tolist()).most_common(1)[0][0]
        correct += int((targets[fold_of == fold] == commonest).sum())
    return proportion(correct, len(targets))


def size_only(sizes: NDArray[np.float64], targets: NDArray[np.int64], fold_of: NDArray[np.int64], seed: int) -> Figure:
    """Cross-validated accuracy of a random forest on width, height and aspect ratio; sizes are (N, 2) in pixels."""
    inputs = np.column_stack([sizes, sizes[:, 0] / sizes[:, 1]])
    correct = 0
    for fold in np.unique(fold_of):
        forest = RandomForestClassifier(random_state=seed).fit(inputs[fold_of != fold], targets[fold_of != fold])
        correct += int((forest.predict(inputs[fold_of == fold]) == targets[fold_of == fold]).sum())
    return proportion(correct, len(targets))
