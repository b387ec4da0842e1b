"""Out-of-fold predictions: every labelled image predicted by a head that saw nothing of its group."""

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
    weights: NDArray[np.float64]  # (2,), fitted on all

    def of(self, chosen: NDArray[np.bool_]) -> "HeldOut":
        """Those of some of the images, (N,) bool."""
        return HeldOut(self.logits[chosen], self.unfamiliarity[chosen], self.weights)


def assign_folds(groups: list[Group], label_of: dict[str, str], folds: int, seed: int) -> dict[str, int]:
    """A fold number for each key: grouped, stratified, at most as many folds as groups."""
    count = min(folds, len(groups))
    assigned: dict[Group, int] = {}
    assign(groups, label_of, dict.fromkeys(range(count), 1 / count), seed, assigned)
    return {key: fold for group, fold in assigned.items() for key in group}


def out_of_fold(recipe: Recipe, inputs: Tensor, targets: NDArray[np.int64], fold_of: NDArray[np.int64]) -> HeldOut:
    """Each image from the fold that held it out; inputs are (N, 1280 + 2·C), or 1280 without a prior.

    The prior's weights are fitted on predictions that are out of fold themselves (stacking, Wolpert 1992).
    """
    said = _joined([ask(recipe, inputs, targets, fold_of != fold, fold_of == fold) for fold in np.unique(fold_of)], fold_of)
    weights = np.zeros((len(targets), 2))
    for fold in np.unique(fold_of):
        out = fold_of == fold
        weights[out] = fit_weights(said.head[~out], said.evidence[~out], targets[~out], recipe.decay.prior)
    logits = said.logits(weights)
    return HeldOut(logits, said.unfamiliarity(logits), fit_weights(said.head, said.evidence, targets, recipe.decay.prior))


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
        out = fold_of == fold
        probabilities[out] = softmax(logits[out] / fit_temperature(logits[~out], targets[~out]), axis=1)
    return probabilities
