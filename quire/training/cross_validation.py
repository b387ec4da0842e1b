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

from quire.items.groups import Group, assign
from quire.training.damping import Reach, fit_reach
from quire.training.encoders import FEATURES
from quire.training.familiarity import FARTHEST
from quire.training.heads import combined, fit_temperature, fit_weights
from quire.training.strategies import Recipe

TEST = -1  # the test set's fold


@dataclass(frozen=True)
class Said:
    """What models said of images that they were not fitted on, before it is pooled."""

    head: NDArray[np.float64]  # (N, C), logits
    evidence: NDArray[np.float64]  # (N, 2, C), the prior's; 0 without one
    distances: NDArray[np.float64]  # (N, C), to each label's training images

    def of(self, chosen: NDArray[np.bool_]) -> "Said":
        """What was said of some of the images, (N,) bool."""
        return Said(self.head[chosen], self.evidence[chosen], self.distances[chosen])

    def unfamiliarity(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The distance to the label that is answered, (N,)."""
        return np.asarray(self.distances[np.arange(len(logits)), logits.argmax(1)])


@dataclass(frozen=True)
class Pooling:
    """How head and prior become one answer: how far the head is believed, and what the prior weighs beside it."""

    reach: Reach
    weights: NDArray[np.float64]  # (2,)

    def logits(self, said: Said) -> NDArray[np.float64]:
        """Head and prior pooled, (N, C)."""
        return combined(self.reach.of(said.head, said.distances), said.evidence, self.weights)


@dataclass(frozen=True)
class HeldOut:
    """Out-of-fold predictions, and the pooling that was fitted on them."""

    logits: NDArray[np.float64]  # (N, C), each fold's pooling fitted on the others
    unfamiliarity: NDArray[np.float64]  # (N,)
    pooling: Pooling  # fitted on all but the test set

    def of(self, chosen: NDArray[np.bool_]) -> "HeldOut":
        """Those of some of the images, (N,) bool."""
        return HeldOut(self.logits[chosen], self.unfamiliarity[chosen], self.pooling)


def assign_folds(groups: list[Group], label_of: dict[str, str], tested: set[str], folds: int, seed: int) -> dict[str, int]:
    """A fold for each key: TEST for those of the test set, else a number; grouped, stratified, at most one a group."""
    others = [group for group in groups if not tested.intersection(group)]
    count = min(folds, len(others))
    assigned: dict[Group, int] = {}
    assign(others, label_of, dict.fromkeys(range(count), 1 / count), seed, assigned)
    return {key: assigned.get(group, TEST) for group in groups for key in group}


def seen_by(fold: int, fold_of: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The images that a fold's head, pooling and temperature are fitted on, (N,) bool: neither its own nor the test set's."""
    return np.asarray((fold_of != fold) & (fold_of != TEST))


def out_of_fold(recipe: Recipe, inputs: Tensor, targets: NDArray[np.int64], fold_of: NDArray[np.int64]) -> HeldOut:
    """Each image from the fold that held it out; inputs are (N, 1280 + 2·C), or 1280 without a prior.

    The pooling is fitted on predictions that are out of fold themselves (stacking, Wolpert 1992).
    """
    folds = np.unique(fold_of)
    said = _joined([ask(recipe, inputs, targets, seen_by(fold, fold_of), fold_of == fold) for fold in folds], fold_of)
    logits = np.zeros_like(said.head)
    for fold in folds:
        out, seen = fold_of == fold, seen_by(fold, fold_of)
        logits[out] = fit_pooling(recipe, said.of(seen), targets[seen]).logits(said.of(out))
    others = seen_by(TEST, fold_of)
    return HeldOut(logits, said.unfamiliarity(logits), fit_pooling(recipe, said.of(others), targets[others]))


def fit_pooling(recipe: Recipe, said: Said, targets: NDArray[np.int64]) -> Pooling:
    """The pooling that suits what was said of held-out images, whose labels are known."""
    own = said.distances[np.arange(len(targets)), targets]
    known = own < FARTHEST  # not the only images of their label
    said_named = said.evidence[:, 1].sum(1) > 0
    reach = fit_reach(own[known], targets[known] != recipe.rest, said_named[known], recipe.familiar, recipe.rest)
    head = reach.of(said.head, said.distances)
    return Pooling(reach, fit_weights(head, said.evidence, targets, recipe.decay.prior))


def _joined(parts: list[Said], fold_of: NDArray[np.int64]) -> Said:
    """The folds' answers in the order of the images."""
    order = np.argsort(np.argsort(fold_of, kind="stable"))
    return Said(*(np.concatenate([getattr(part, name) for part in parts])[order] for name in ("head", "evidence", "distances")))


def ask(recipe: Recipe, inputs: Tensor, targets: NDArray[np.int64], train: NDArray[np.bool_], out: NDArray[np.bool_]) -> Said:
    """What a model fitted on `train` says of `out`, (N,) bool each."""
    head, read = recipe.fit(inputs, targets, train)
    with torch.inference_mode():
        linear, evidence = head.experts(read[out])
        distances = recipe.nearest(read, targets, train)(read[out][:, :FEATURES])
    return Said(*(part.double().numpy() for part in (linear, evidence, distances)))


def calibrated(logits: NDArray[np.float64], targets: NDArray[np.int64], fold_of: NDArray[np.int64]) -> NDArray[np.float64]:
    """Out-of-fold logits, (N, C), as probabilities, each fold's temperature fitted on the others."""
    probabilities = np.zeros_like(logits)
    for fold in np.unique(fold_of):
        out, seen = fold_of == fold, seen_by(fold, fold_of)
        probabilities[out] = softmax(logits[out] / fit_temperature(logits[seen], targets[seen]), axis=1)
    return probabilities
