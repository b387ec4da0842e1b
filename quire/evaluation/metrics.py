"""Figures with their intervals, 95 % each: what a test set of this size can and cannot say."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

Figure = dict[str, float]  # value, low, high
BINS = 10
RESAMPLES = 1000


@dataclass(frozen=True)
class Predictions:
    """Predicted images with their true classes; groups are documents, the unit of resampling."""

    probabilities: NDArray[np.float64]  # (N, C)
    targets: NDArray[np.int64]  # (N,)
    groups: NDArray[np.str_]  # (N,)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The likeliest class of each image, (N,) int64."""
        return np.asarray(self.probabilities.argmax(1))

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether it is the true one, (N,) bool."""
        return np.equal(self.predicted, self.targets)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Its probability, (N,) float64."""
        return np.asarray(self.probabilities.max(1))


def describe(predictions: Predictions, labels: list[str], min_confidence: float, seed: int) -> dict[str, Any]:
    """All figures of a set of predictions: accuracy, classes, confusion, calibration, the answers given.

    `lowest_recall` is that of the worst class which has images.
    """
    counts = confusion(predictions, len(labels))
    answered = predictions.confidence >= min_confidence
    classes = {label: class_figures(counts, index, seed) for index, label in enumerate(labels)}
    return {
        "images": len(predictions.targets),
        "accuracy": proportion(int(predictions.correct.sum()), len(predictions.targets)),
        "macro_f1": round(float(np.mean([figures["f1"]["value"] for figures in classes.values()])), 6),
        "lowest_recall": min(classes[labels[target]]["recall"]["value"] for target in set(predictions.targets.tolist())),
        "calibration_error": bootstrap(predictions, expected_calibration_error, seed),
        "brier_score": bootstrap(predictions, brier_score, seed),
        "answered": proportion(int(answered.sum()), len(answered)),
        "answered_accuracy": proportion(int(predictions.correct[answered].sum()), int(answered.sum())),
        "classes": classes,
        "confusion": {
            actual: {guess: {"count": int(n), **proportion(int(n), int(row.sum()))} for guess, n in zip(labels, row, strict=True)}
            for actual, row in zip(labels, counts, strict=True)
        },
    }


def proportion(successes: int, trials: int) -> Figure:
    """A share and its Wilson score interval; of nothing, the share is 0 and the interval says nothing."""
    if not trials:
        return {"value": 0.0, "low": 0.0, "high": 1.0}
    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return _figure(successes / trials, interval.low, interval.high)


def confusion(predictions: Predictions, classes: int) -> NDArray[np.int64]:
    """Counts, (C, C) int64: a row for each true class, a column for each predicted one."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (predictions.targets, predictions.predicted), 1)
    return counts


def class_figures(counts: NDArray[np.int64], index: int, seed: int) -> dict[str, Figure]:
    """Precision, recall and F1 of one class of a confusion matrix, (C, C) int64."""
    hits, predicted, actual = int(counts[index, index]), int(counts[:, index].sum()), int(counts[index].sum())
    return {
        "precision": proportion(hits, predicted),
        "recall": proportion(hits, actual),
        "f1": f1(hits, predicted + actual - 2 * hits, seed),
    }


def f1(hits: int, misses: int, seed: int) -> Figure:
    """F1 with its credible interval from Jeffreys' prior (Goutte and Gaussier 2005); `misses` are FP + FN.

    A bootstrap would give a class without an error the interval 1 to 1.
    """
    draws = np.random.default_rng(seed)
    right, wrong = draws.gamma(hits + 0.5, 2, 10_000), draws.gamma(misses + 1, 1, 10_000)
    low, high = np.quantile(right / (right + wrong), [0.025, 0.975])
    value = 2 * hits / (2 * hits + misses) if hits else 0.0
    return _figure(value, min(low, value), max(high, value))


def expected_calibration_error(predictions: Predictions) -> float:
    """The mean gap between confidence and accuracy over bins of equal width (Naeini et al. 2015)."""
    return float(sum(share * abs(accuracy - confidence) for confidence, accuracy, share in reliability(predictions)))


def brier_score(predictions: Predictions) -> float:
    """The mean squared distance of the probabilities from the truth, 0 to 2 (Brier 1950)."""
    truth = np.eye(predictions.probabilities.shape[1])[predictions.targets]  # (N, C)
    return float(((predictions.probabilities - truth) ** 2).sum(1).mean())


def reliability(predictions: Predictions) -> list[tuple[float, float, float]]:
    """Mean confidence, accuracy and share of the images, for each bin that holds any."""
    bins = np.minimum((predictions.confidence * BINS).astype(int), BINS - 1)
    held = [bins == number for number in np.unique(bins)]
    return [(predictions.confidence[i].mean(), predictions.correct[i].mean(), i.mean()) for i in held]


def bootstrap(predictions: Predictions, statistic: Callable[[Predictions], float], seed: int) -> Figure:
    """A statistic with its percentile interval over resampled groups: images of one document hang together."""
    draws = np.random.default_rng(seed)
    members = [np.flatnonzero(predictions.groups == group) for group in np.unique(predictions.groups)]
    values = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([members[number] for number in draws.integers(len(members), size=len(members))])
        values.append(statistic(_select(predictions, chosen)))
    return _figure(statistic(predictions), *np.quantile(values, [0.025, 0.975]))


def _select(predictions: Predictions, chosen: NDArray[np.int64]) -> Predictions:
    return Predictions(predictions.probabilities[chosen], predictions.targets[chosen], predictions.groups[chosen])


def _figure(value: float, low: float, high: float) -> Figure:
    return {"value": round(float(value), 6), "low": round(float(low), 6), "high": round(float(high), 6)}
