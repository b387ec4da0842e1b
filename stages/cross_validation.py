"""Out-of-fold predictions: every labelled image predicted by a head that saw nothing of its group."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor
from torch.utils.data import TensorDataset

from stages.fit import Schedule, fit_head, fit_temperature
from stages.network import zero_head
from stages.split import Group, assign


def assign_folds(groups: list[Group], label_of: dict[str, str], folds: int, seed: int) -> dict[str, int]:
    """A fold number for each key: grouped, stratified, at most as many folds as groups."""
    count = min(folds, len(groups))
    assigned: dict[Group, int] = {}
    assign(groups, label_of, dict.fromkeys(range(count), 1 / count), seed, assigned)
    return {key: fold for group, fold in assigned.items() for key in group}


def out_of_fold(
    features: Tensor, targets: NDArray[np.int64], fold_of: NDArray[np.int64], classes: int, weight_decay: float, schedule: Schedule
) -> NDArray[np.float64]:
    """Calibrated probabilities, (N, C) float64, each from the fold that held the image out.

    Fold k is predicted by a head fitted on all folds but k and k + 1, stopped and calibrated on k + 1.
    """
    probabilities = np.zeros((len(targets), classes))
    count = int(fold_of.max()) + 1
    labels = torch.from_numpy(targets)
    for fold in range(count):
        held_out, validation = fold_of == fold, fold_of == (fold + 1) % count
        train = ~(held_out | validation)
        head = zero_head(classes)
        fitted, stopping = (TensorDataset(features[part], labels[part]) for part in (train, validation))
        fit_head(head, fitted, stopping, weight_decay, schedule)
        with torch.inference_mode():
            logits = head(features).numpy()  # (N, C) float32
        temperature = fit_temperature(logits[validation], targets[validation])
        probabilities[held_out] = softmax(logits[held_out] / temperature, axis=1)
    return probabilities
