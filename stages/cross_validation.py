"""Out-of-fold predictions: every labelled image predicted by a head that saw nothing of its group."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from threadpoolctl import threadpool_limits
from torch import Tensor

from stages.fit import Decay, fit_temperature, solve
from stages.network import FEATURES, Head
from stages.prior import Prior
from stages.split import Group, assign
from stages.unfamiliar import Nearest


@dataclass(frozen=True)
class Recipe:
    """How a head is fitted: the same for each fold and each protocol, and to the same end as the served one."""

    classes: int
    prior: Prior | None
    rest: int | None  # the label that is what nothing names
    decay: Decay

    def head(self, inputs: Tensor, targets: NDArray[np.int64], train: NDArray[np.bool_]) -> Head:
        """A head fitted on `train`, (N,) bool; inputs are (N, 1280 + 2·C), or 1280 without a prior."""
        return solve(self.classes, self.prior, inputs[train], torch.from_numpy(targets[train]), self.decay)

    def nearest(self, inputs: Tensor, targets: NDArray[np.int64], train: NDArray[np.bool_]) -> Nearest:
        """The unfamiliarity score whose training pictures are `train`, (N,) bool."""
        return Nearest(inputs[train][:, :FEATURES], torch.from_numpy(targets[train]), self.classes, self.rest)


@dataclass(frozen=True)
class HeldOut:
    """What heads said of images that they were not fitted on."""

    logits: NDArray[np.float64]  # (N, C)
    unfamiliarity: NDArray[np.float64]  # (N,)


@contextmanager
def one_thread() -> Iterator[None]:
    """For problems so small that threads would spend their time waiting for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def assign_folds(groups: list[Group], label_of: dict[str, str], folds: int, seed: int) -> dict[str, int]:
    """A fold number for each key: grouped, stratified, at most as many folds as groups."""
    count = min(folds, len(groups))
    assigned: dict[Group, int] = {}
    assign(groups, label_of, dict.fromkeys(range(count), 1 / count), seed, assigned)
    return {key: fold for group, fold in assigned.items() for key in group}


def out_of_fold(recipe: Recipe, inputs: Tensor, targets: NDArray[np.int64], fold_of: NDArray[np.int64]) -> HeldOut:
    """Each image from the fold that held it out; inputs are (N, 1280 + 2·C), or 1280 without a prior."""
    held_out = HeldOut(np.zeros((len(targets), recipe.classes)), np.zeros(len(targets)))
    for fold in np.unique(fold_of):
        out = fold_of == fold
        predict(recipe, recipe.head(inputs, targets, ~out), inputs, targets, ~out, out, held_out)
    return held_out


@torch.inference_mode()
def predict(
    recipe: Recipe,
    head: Head,
    inputs: Tensor,
    targets: NDArray[np.int64],
    train: NDArray[np.bool_],
    out: NDArray[np.bool_],
    into: HeldOut,
) -> None:
    """Write into the rows `out`, (N,) bool, what a head fitted on `train` says of them."""
    logits = head(inputs[out])  # (M, C)
    score = recipe.nearest(inputs, targets, train)(inputs[out][:, :FEATURES], logits.argmax(1))  # (M,)
    into.logits[out], into.unfamiliarity[out] = logits.numpy(), score.numpy()


def calibrated(logits: NDArray[np.float64], targets: NDArray[np.int64], fold_of: NDArray[np.int64]) -> NDArray[np.float64]:
    """Out-of-fold logits, (N, C), as probabilities, each fold's temperature fitted on the others."""
    probabilities = np.zeros_like(logits)
    for fold in np.unique(fold_of):
        out = fold_of == fold
        probabilities[out] = softmax(logits[out] / fit_temperature(logits[~out], targets[~out]), axis=1)
    return probabilities
