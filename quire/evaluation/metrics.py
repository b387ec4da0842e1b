"""Figures with their intervals, 95 % each: what a test set of this size can and cannot say."""

from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from quire.evaluation.calibration import expected_calibration_error
from quire.evaluation.predictions import Predictions

RESAMPLES = 1000
MOST_CONFUSED = 20  # pairs of classes that are listed with an interval


class Figure(TypedDict):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class Outcome(TypedDict):
    """What became of images: right, whether or not the model was sure; decided, but wrong; and unsure."""

    right: Figure
    decided_wrong: Figure
    unsure: Figure


class ClassFigures(TypedDict):
    """Figures of one class."""

    precision: Figure
    recall: Figure
    f1: Figure


class Confusion(TypedDict):
    """How many images of a label were predicted as another, and which share of the label's images that is."""

    label: str
    prediction: str
    count: int
    share: Figure


class SetFigures(TypedDict):
    """All figures of one set of predictions. `worst_recall` is that of the worst class which has images."""

    images: int
    accuracy: Figure
    macro_f1: float
    worst_recall: float
    calibration_error: Figure
    brier_score: Figure
    answered: Figure
    answered_accuracy: Figure
    outcome: Outcome
    classes: dict[str, ClassFigures]
    confusions: list[Confusion]


def describe(predictions: Predictions, labels: Sequence[str], seed: int) -> SetFigures:
    """All figures of a set of predictions. An image is answered where its decision is not `unsure`."""
    counts = confusion(predictions, len(labels))
    classes = class_figures(predictions, labels, seed)
    correct, answered = predictions.correct, predictions.answered
    return {
        "images": len(correct),
        "accuracy": share(correct),
        "macro_f1": round(float(np.mean([figures["f1"]["value"] for figures in classes.values()])), 6),
        "worst_recall": min(classes[labels[target]]["recall"]["value"] for target in np.unique(predictions.targets)),
        "calibration_error": bootstrap(predictions, lambda some: expected_calibration_error(some.confidence, some.correct), seed),
        "brier_score": bootstrap(predictions, lambda some: float(some.squared_error.mean()), seed),
        "answered": share(answered),
        "answered_accuracy": share(correct[answered]),
        "outcome": outcome(correct, answered),
        "classes": classes,
        "confusions": confusions(counts, labels),
    }


def outcome(correct: NDArray[np.bool_], answered: NDArray[np.bool_]) -> Outcome:
    """What became of N images, (N,) bool each."""
    return {"right": share(correct), "decided_wrong": share(answered & ~correct), "unsure": share(~answered)}


def share(chosen: NDArray[np.bool_]) -> Figure:
    """The share of images, (N,) bool, that are chosen."""
    return proportion(int(chosen.sum()), len(chosen))


def proportion(successes: int, trials: int) -> Figure:
    """A share and its score interval (Wilson 1927); of nothing, the share is 0 and the interval says nothing."""
    if not trials:
        return {"value": 0.0, "low": 0.0, "high": 1.0}
    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return _figure(successes / trials, interval.low, interval.high)


def confusion(predictions: Predictions, classes: int) -> NDArray[np.int64]:
    """Counts, (C, C) int64: a row for each true class, a column for each predicted one."""
    return np.asarray(confusion_matrix(predictions.targets, predictions.predicted, labels=range(classes)), np.int64)


def confusions(counts: NDArray[np.int64], labels: Sequence[str]) -> list[Confusion]:
    """The most frequent errors of a confusion matrix, (C, C) int64, the most frequent first."""
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED]
    pairs = [divmod(int(place), len(counts)) for place in order if wrong.flat[place]]
    return [
        {
            "label": labels[row],
            "prediction": labels[column],
            "count": int(counts[row, column]),
            "share": proportion(int(counts[row, column]), int(counts[row].sum())),
        }
        for row, column in pairs
    ]


def class_figures(predictions: Predictions, labels: Sequence[str], seed: int) -> dict[str, ClassFigures]:
    """Precision, recall and F1 of each class; 0 where they are not defined."""
    counts = confusion(predictions, len(labels))
    *_, f1_scores, actual = precision_recall_fscore_support(
        predictions.targets, predictions.predicted, labels=range(len(labels)), zero_division=0
    )
    hits, guessed = np.diag(counts), counts.sum(0)
    return {
        label: {
            "precision": proportion(int(hits[row]), int(guessed[row])),
            "recall": proportion(int(hits[row]), int(actual[row])),
            "f1": f1_figure(float(f1_scores[row]), int(hits[row]), int(guessed[row] + actual[row] - 2 * hits[row]), seed),
        }
        for row, label in enumerate(labels)
    }


def f1_figure(value: float, hits: int, misses: int, seed: int) -> Figure:
    """F1 with its credible interval from Jeffreys' prior (Goutte and Gaussier 2005); `misses` are FP + FN.

    F1 = U / (U + V) with U ~ Gamma(hits + ½, 2) and V ~ Gamma(misses + 1, 1). A bootstrap would give a class without
    an error the interval 1 to 1.
    """
    draws = np.random.default_rng(seed)
    right, wrong = draws.gamma(hits + 0.5, 2, 10_000), draws.gamma(misses + 1, 1, 10_000)
    low, high = np.quantile(right / (right + wrong), [0.025, 0.975])
    return _figure(value, min(low, value), max(high, value))


def bootstrap(predictions: Predictions, statistic: Callable[[Predictions], float], seed: int) -> Figure:
    """A statistic with its percentile interval over resampled groups: images of one document hang together."""
    draws = np.random.default_rng(seed)
    _, group_of, sizes = np.unique(predictions.groups, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(group_of, kind="stable"), np.cumsum(sizes)[:-1])
    values = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([members[number] for number in draws.integers(len(members), size=len(members))])
        values.append(statistic(predictions.of(chosen)))
    return _figure(statistic(predictions), *np.quantile(values, [0.025, 0.975]))


def _figure(value: float, low: float, high: float) -> Figure:
    return {"value": round(float(value), 6), "low": round(float(low), 6), "high": round(float(high), 6)}
