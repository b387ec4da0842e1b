"""Figures with their intervals, 95 % each: what a set of so many documents can and cannot say.

Shares have the interval of `quire/training/proportions.py`, and so has F1, which a share determines. The expected calibration error
and the Brier score are means of no yes and no: theirs come from resampled documents, a cluster bootstrap.
"""

from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from quire.evaluation.calibration import expected_calibration_error
from quire.evaluation.predictions import Predictions
from quire.training.proportions import Documents, interval

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
    documents: int
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
    classes = class_figures(predictions, labels)
    correct, answered, documents = predictions.correct, predictions.answered, predictions.documents
    return {
        "images": len(correct),
        "documents": len(np.unique(documents)),
        "accuracy": share(correct, documents),
        "macro_f1": round(float(np.mean([figures["f1"]["value"] for figures in classes.values()])), 6),
        "worst_recall": min(classes[labels[target]]["recall"]["value"] for target in np.unique(predictions.targets)),
        "calibration_error": bootstrap(predictions, lambda some: expected_calibration_error(some.confidence, some.correct), seed),
        "brier_score": bootstrap(predictions, lambda some: float(some.squared_error.mean()), seed),
        "answered": share(answered, documents),
        "answered_accuracy": share(correct[answered], documents[answered]),
        "outcome": outcome(correct, answered, documents),
        "classes": classes,
        "confusions": confusions(predictions, labels),
    }


def outcome(correct: NDArray[np.bool_], answered: NDArray[np.bool_], documents: Documents | None = None) -> Outcome:
    """What became of N images, (N,) each; documents as in `share`."""
    return {
        "right": share(correct, documents),
        "decided_wrong": share(answered & ~correct, documents),
        "unsure": share(~answered, documents),
    }


def share(chosen: NDArray[np.bool_], documents: Documents | None = None) -> Figure:
    """The share of images, (N,) bool, that are chosen; of nothing, it is 0 and its interval says nothing.

    `documents`, (N,), are the images' own; without them each image is one.
    """
    own = np.arange(len(chosen)) if documents is None else documents
    return _figure(float(chosen.mean()) if len(chosen) else 0.0, *interval(chosen, own))


def confusion(predictions: Predictions, classes: int) -> NDArray[np.int64]:
    """Counts, (C, C) int64: a row for each true class, a column for each predicted one."""
    return np.asarray(confusion_matrix(predictions.targets, predictions.predicted, labels=range(classes)), np.int64)


def confusions(predictions: Predictions, labels: Sequence[str]) -> list[Confusion]:
    """The most frequent errors, the most frequent first."""
    counts = confusion(predictions, len(labels))
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED]
    pairs = [divmod(int(place), len(counts)) for place in order if wrong.flat[place]]
    return [
        {
            "label": labels[row],
            "prediction": labels[column],
            "count": int(counts[row, column]),
            "share": _among(predictions.targets == row, predictions.predicted == column, predictions.documents),
        }
        for row, column in pairs
    ]


def class_figures(predictions: Predictions, labels: Sequence[str]) -> dict[str, ClassFigures]:
    """Precision, recall and F1 of each class; 0 where they are not defined."""
    documents, found = predictions.documents, {}
    for number, label in enumerate(labels):
        actual, guessed = predictions.targets == number, predictions.predicted == number
        found[label] = ClassFigures(
            precision=_among(guessed, actual, documents),
            recall=_among(actual, guessed, documents),
            f1=_f1(_among(actual | guessed, actual & guessed, documents)),
        )
    return found


def _among(those: NDArray[np.bool_], chosen: NDArray[np.bool_], documents: Documents) -> Figure:
    return share(chosen[those], documents[those])


def _f1(overlap: Figure) -> Figure:
    """F1 = 2 J / (1 + J), J the share of hits among the images that are the class or are called it; so are its bounds."""
    return _figure(*(2 * bound / (1 + bound) for bound in (overlap["value"], overlap["low"], overlap["high"])))


def bootstrap(predictions: Predictions, statistic: Callable[[Predictions], float], seed: int) -> Figure:
    """A statistic of predictions with its interval, as `resampled` makes it."""
    return resampled(predictions.documents, lambda rows: statistic(predictions.of(rows)), seed)


def resampled(documents: Documents, statistic: Callable[[NDArray[np.int64]], float], seed: int) -> Figure:
    """A statistic of rows, with its percentile interval over resampled documents (Davison and Hinkley 1997, § 3.8).

    A cluster bootstrap: documents are (N,), the rows' own; the statistic is given the numbers of rows, some more than once.
    """
    draws = np.random.default_rng(seed)
    _, document_of, sizes = np.unique(documents, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(document_of, kind="stable"), np.cumsum(sizes)[:-1])
    values = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([members[number] for number in draws.integers(len(members), size=len(members))])
        values.append(statistic(chosen))
    return _figure(statistic(np.arange(len(documents))), *np.quantile(values, [0.025, 0.975]))


def _figure(value: float, low: float, high: float) -> Figure:
    return {"value": round(float(value), 6), "low": round(float(low), 6), "high": round(float(high), 6)}
