"""Two curves that show what confidence is worth: reliability, and risk against coverage."""

from typing import TypedDict

import numpy as np

from quire.evaluation.calibration import bins_of
from quire.evaluation.metrics import Figure, share
from quire.evaluation.predictions import Predictions
from quire.training.proportions import upper_bound

POINTS = 200  # of the curve of risk and coverage, at most


class Bin(TypedDict):
    """Images of about the same confidence: its mean, and the share of them that is right."""

    confidence: float
    accuracy: Figure
    images: int


class RiskCoverage(TypedDict):
    """From `min_confidence` on the share `coverage` is answered; of that `risk` is wrong, at most `upper_bound`."""

    min_confidence: float
    coverage: float
    risk: float
    upper_bound: float


def reliability(predictions: Predictions) -> list[Bin]:
    """The bins of the expected calibration error, with intervals."""
    confidence, correct = predictions.confidence, predictions.correct
    return [
        {
            "confidence": round(float(confidence[held].mean()), 6),
            "accuracy": share(correct[held], predictions.documents[held]),
            "images": len(held),
        }
        for held in bins_of(confidence)
    ]


def risk_coverage(predictions: Predictions, sureness: float) -> list[RiskCoverage]:
    """Risk against coverage (El-Yaniv and Wiener 2010), evenly thinned where there are many images.

    `upper_bound` is the one-sided bound at each point taken alone, with the confidence `sureness`; documents are its unit.
    """
    order = np.argsort(-predictions.confidence, kind="stable")
    wrong, documents = ~predictions.correct[order], predictions.documents[order]  # (N,)
    counts = np.unique(np.linspace(1, len(order), min(POINTS, len(order))).round().astype(int))
    return [
        {
            "min_confidence": float(predictions.confidence[order[count - 1]]),
            "coverage": count / len(order),
            "risk": float(wrong[:count].mean()),
            "upper_bound": upper_bound(wrong[:count], documents[:count], sureness),
        }
        for count in counts.tolist()
    ]
