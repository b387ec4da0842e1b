"""Log-linear pooling: how the experts' opinions become one answer (Genest and Zidek 1986).

    p(label | item) ∝ exp( Σ_e w_e · z_e(label) ),   w_e ≥ 0

The experts of an image are the head, damped, and the two zero-shot experts. The weights are fitted on held-out predictions
(stacking, Wolpert 1992) and take the place of a temperature, for they may all grow or shrink together.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from quire.training.damping import Damping, fit_damping
from quire.training.familiarity import FARTHEST, unfamiliarity
from quire.training.heads import Floats

IMAGE_EXPERTS = ("image", "which", "any")
# Before any labels are held out: the head and `which` both know which label it is and are far from independent, so `which` is
# believed by half; `any` is believed whole, for training images cannot cover what else there is. The head is fitted beside these.
START = np.array([1.0, 0.5, 1.0])
RIDGE = 0.2  # on how far the balance of the weights may go from START; docs/choice_of_default.md says how it was chosen


@dataclass(frozen=True)
class Opinions:
    """What the experts say of N images that they were not fitted on."""

    head: Floats  # (N, C), logits
    zero_shot: Floats  # (N, 2, C): which, any; 0 without these experts
    distances: Floats  # (N, C), to each label's training images

    def of(self, chosen: NDArray[np.bool_]) -> "Opinions":
        """Those of some of the images, (N,) bool."""
        return Opinions(self.head[chosen], self.zero_shot[chosen], self.distances[chosen])

    def unfamiliarity(self, logits: Floats) -> Floats:
        """That of the label that is answered, (N,), see `unfamiliarity` in `quire/training/familiarity.py`."""
        scores = unfamiliarity(torch.from_numpy(self.distances), torch.from_numpy(self.zero_shot)).numpy()
        return np.asarray(scores[np.arange(len(logits)), logits.argmax(1)])


@dataclass(frozen=True)
class Pooling:
    """The damping of the head, and the weights of the experts, (3,) in the order of IMAGE_EXPERTS."""

    damping: Damping
    weights: Floats

    def logits(self, opinions: Opinions) -> Floats:
        """All experts pooled, (N, C); their softmax are probabilities."""
        return pooled(experts(self.damping, opinions), self.weights)


def experts(damping: Damping, opinions: Opinions) -> Floats:
    """The logits of each expert, (N, 3, C)."""
    return np.concatenate([damping.of(opinions.head, opinions.distances)[:, None], opinions.zero_shot], axis=1)


def pooled(logits: Floats, weights: Floats) -> Floats:
    """Σ_e w_e z_e: (N, E, C) and (E,) → (N, C)."""
    return np.asarray((weights[:, None] * logits).sum(1))


def fit_pooling(opinions: Opinions, targets: NDArray[np.int64], quantile: float, background: int | None) -> Pooling:
    """The pooling that suits opinions on held-out images whose labels, (N,), are known; `quantile` as in `fit_damping`."""
    own = opinions.distances[np.arange(len(targets)), targets]
    known = own < FARTHEST  # not the only images of their label
    damping = fit_damping(own[known], targets[known], opinions.zero_shot[known], quantile, background)
    return Pooling(damping, fit_weights(experts(damping, opinions), targets))


def fit_weights(logits: Floats, targets: NDArray[np.int64], start: Floats = START, ridge: float = RIDGE) -> Floats:
    """The weights, (E,), that minimise the log loss of held-out logits (N, E, C), with two ridges.

    w = s · u, with a scale s and a balance u whose first entry stays 1. The loss is the mean of −log p + ridge · |u − start|² +
    (log s)² / 2N: the balance is drawn to where it starts, and the scale is all but free (a standard normal prior on its
    logarithm keeps it finite where the logits separate the labels; Guo et al. 2017 call 1 / s the temperature).
    """
    rows = np.arange(len(targets))

    def loss(point: Floats) -> tuple[float, Floats]:
        scale, balance = np.exp(point[0]), np.concatenate([start[:1], point[1:]])
        logs = log_softmax(pooled(logits, scale * balance), axis=1)  # (N, C)
        errors = np.exp(logs)
        errors[rows, targets] -= 1
        gradient = scale * (errors[:, None] * logits).sum((0, 2)) / len(rows)  # (E,), by the balance
        away = balance - start
        value = -logs[rows, targets].mean() + ridge * away @ away + point[0] ** 2 / (2 * len(rows))
        return float(value), np.append(gradient @ balance + point[0] / len(rows), gradient[1:] + 2 * ridge * away[1:])

    options = {"gtol": 1e-12, "ftol": 0, "maxiter": 1000}
    bounds = [(None, None)] + [(0, None)] * (len(start) - 1)
    first = np.append(0, start[1:])
    found = minimize(loss, first, jac=True, bounds=bounds, method="L-BFGS-B", options=options)  # type: ignore[call-overload]
    return np.asarray((np.exp(found.x[0]) * np.append(start[:1], found.x[1:])).round(6))
