"""Out-of-fold predictions: every image but the test set's is predicted by a model that saw nothing of its group."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from quire.training.heads import Floats
from quire.training.pooling import Opinions, Pooling, fit_pooling
from quire.training.strategies import Frozen


@dataclass(frozen=True)
class HeldOut:
    """Out-of-fold predictions, and the pooling that was fitted on them."""

    logits: Floats  # (N, C), pooled, each fold's pooling fitted on the others
    unfamiliarity: Floats  # (N,)
    opinions: Opinions
    pooling: Pooling  # fitted on all of them: the one that is served

    @property
    def probabilities(self) -> Floats:
        """(N, C)."""
        return np.asarray(softmax(self.logits, axis=1))

    def of(self, chosen: NDArray[np.bool_]) -> "HeldOut":
        """Those of some of the images, (N,) bool."""
        return HeldOut(self.logits[chosen], self.unfamiliarity[chosen], self.opinions.of(chosen), self.pooling)


def out_of_fold(strategy: Frozen, targets: NDArray[np.int64], fold_of: NDArray[np.int64]) -> HeldOut:
    """Predict each image, targets (N,), by the fold that held it out, fold_of (N,).

    Twice: first the experts' opinions, each by a model of the other folds; then for each fold a pooling of these opinions, fitted
    on the other folds' opinions (nested).
    """
    folds = np.unique(fold_of)
    opinions = _joined([ask(strategy, targets, fold_of != fold, fold_of == fold) for fold in folds], fold_of)
    logits = np.zeros_like(opinions.head)
    for fold in folds:
        out = fold_of == fold
        logits[out] = _pooling(strategy, opinions.of(~out), targets[~out]).logits(opinions.of(out))
    return HeldOut(logits, opinions.unfamiliarity(logits), opinions, _pooling(strategy, opinions, targets))


def ask(strategy: Frozen, targets: NDArray[np.int64], train: NDArray[np.bool_], out: NDArray[np.bool_]) -> Opinions:
    """What the experts of a model fitted on `train` say of `out`, (N,) bool each."""
    fitted = strategy.fit(targets, train)
    features = fitted.features[out]
    return Opinions(fitted.head.logits(features), fitted.zero_shot[out], fitted.nearest.of(features))


def _pooling(strategy: Frozen, opinions: Opinions, targets: NDArray[np.int64]) -> Pooling:
    return fit_pooling(opinions, targets, strategy.plan.quantile, strategy.plan.background)


def _joined(parts: list[Opinions], fold_of: NDArray[np.int64]) -> Opinions:
    """The folds' opinions in the order of the images."""
    order = np.argsort(np.argsort(fold_of, kind="stable"))
    return Opinions(
        *(np.concatenate([getattr(part, name) for part in parts])[order] for name in ("head", "zero_shot", "distances"))
    )
