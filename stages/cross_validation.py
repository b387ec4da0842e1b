"""Out-of-fold predictions: every labelled image predicted by a head that saw nothing of its group.

The test set is a fold of its own: predicted by what all others fit, and seen by no other fold's head, so that nothing
that is set by out-of-fold predictions hangs on it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor

from stages.fit import combined, fit_temperature, fit_weights
from stages.network import FEATURES
from stages.recipe import Recipe
from stages.split import Group, assign

TEST = -1  # the test set's fold


@dataclass(frozen=True)
class Said:
    """What models said of images that they were not fitted on, before the prior is weighed."""

    head: NDArray[np.float64]  # (N, C), logits
    evidence: NDArray[np.float64]  # (N, 2, C), the prior's; 0 without one
    distances: NDArray[np.float64]  # (N, C), to each label's training pictures

    def logits(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Head and prior combined, (N, C); the weights are (2,), or (N, 2) for each image its own."""
        return combined(self.head, self.evidence, weights)

    def unfamiliarity(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The distance to the label that is answered, (N,)."""
        return np.asarray(self.distances[np.arange(len(logits)), logits.argmax(1)])


@dataclass(frozen=True)
class HeldOut:
    """Out-of-fold predictions, and the prior's weights that were fitted on them."""

    logits: NDArray[np.float64]  # (N, C), each fold's weights fitted on the others
    unfamiliarity: NDArray[np.float64]  # (N,)
    weights: NDArray[np.float64]  # (2,), fitted on all but the test set

    def of(self, chosen: NDArray[np.bool_]) -> "HeldOut":
        """Those of some of the images, (N,) bool."""
        return HeldOut(self.logits[chosen], self.unfamiliarity[chosen], self.weights)


def assign_folds(groups: list[Group], label_of: dict[str, str], tested: set[str], folds: int, seed: int) -> dict[str, int]:
    """A fold for each key: TEST for those of the test set, else a number; grouped, stratified, at most one a group."""
    others = [group for group in groups if not tested.intersection(group)]
    count = min(folds, len(others))
    assigned: dict[Group, int] = {}
    assign(others, label_of, dict.fromkeys(range(count), 1 / count), seed, assigned)
    return {key: assigned.get(group, TEST) for group in groups for key in group}


def seen_by(fold: int, fold_of: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The pictures that a fold's head, weights and temperature are fitted on, (N,) bool: neither its own nor the test set's."""
    return np.asarray((fold_of != fold) & (fold_of != TEST))


def out_of_fold(recipe: Recipe, inputs: Tensor, targets: NDArray[np.int64], fold_of: NDArray[np.int64]) -> HeldOut:
    """Each image from the fold that held it out; inputs are (N, 1280 + 2·C), or 1280 without a prior.

    The prior's weights are fitted on predictions that are out of fold themselves (stacking, Wolpert 1992).
    """
    folds = np.unique(fold_of)
    said = _joined([ask(recipe, inputs, targets, seen_by(fold, fold_of), fold_of == fold) for fold in folds], fold_of)

    def weights_without(fold: int) -> NDArray[np.float64]:
        seen = seen_by(fold, fold_of)
        return fit_weights(said.head[seen], said.evidence[seen], targets[seen], recipe.decay.prior)

    weights = np.zeros((len(targets), 2))
    for fold in folds:
        weights[fold_of == fold] = weights_without(fold)
    logits = said.logits(weights)
    return HeldOut(logits, said.unfamiliarity(logits), weights_without(TEST))


def _joined(parts: list[Said], fold_of: NDArray[np.int64]) -> Said:
    """The folds' answers in the order of the images."""
    order = np.argsort(np.argsort(fold_of, kind="stable"))
    return Said(*(np.concatenate([getattr(part, name) for part in parts])[order] for name in ("head", "evidence", "distances")))


def ask(recipe: Recipe, inputs: Tensor, targets: NDArray[np.int64], train: NDArray[np.bool_], out: NDArray[np.bool_]) -> Said:
    """What a model fitted on `train` says of `out`, (N,) bool each."""
    head, read = recipe.fit(inputs, targets, train)
    with torch.inference_mode():
        linear, evidence = head.experts(read[out])
        distances = recipe.nearest(read, targets, train).distances(read[out][:, :FEATURES])
    return Said(*(part.double().numpy() for part in (linear, evidence, distances)))


def calibrated(logits: NDArray[np.float64], targets: NDArray[np.int64], fold_of: NDArray[np.int64]) -> NDArray[np.float64]:
    """Out-of-fold logits, (N, C), as probabilities, each fold's temperature fitted on the others."""
    probabilities = np.zeros_like(logits)
    for fold in np.unique(fold_of):
        out, seen = fold_of == fold, seen_by(fold, fold_of)
        probabilities[out] = softmax(logits[out] / fit_temperature(logits[seen], targets[seen]), axis=1)
    return probabilities
