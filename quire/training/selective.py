"""Which answers to give: the confidence from which on the share of wrong answers stays below a bound.

Selective classification with guaranteed risk (Geifman and El-Yaniv 2017): a Clopper-Pearson bound on held-out
predictions, corrected for having looked at several thresholds. The bound is on all answers together, and where errors
are few it lets the least sure of them pass; so an answer that doubts itself too much is not given either (Chow 1970).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

# Shares of the images that may be answered, fixed before any data are seen: what is left unanswered doubles. A binary
# search, as in the paper, would begin at one half, where few data can show no low risk however right they are.
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.6)


@dataclass(frozen=True)
class Threshold:
    """From `min_confidence` on an answer is given; of those at most `risk` are wrong, with the confidence asked for."""

    min_confidence: float
    risk: float
    coverage: float
    met: bool  # whether the risk asked for is reached; else `risk` is the lowest that the data carry


def upper_bound(wrong: int, answers: int, confidence: float) -> float:
    """The Clopper-Pearson upper bound on the share of wrong answers, one-sided."""
    return 1.0 if wrong >= answers else float(beta.ppf(confidence, wrong + 1, answers - wrong))


def choose_threshold(
    confidences: NDArray[np.float64], correct: NDArray[np.bool_], max_risk: float, confidence: float, max_doubt: float
) -> Threshold:
    """The lowest threshold whose bound is at most `max_risk`, or the one with the lowest bound where none is.

    Confidences (N,) and whether each is right (N,), of images that were held out. No threshold is below 1 - `max_doubt`.
    """
    each = 1 - (1 - confidence) / len(COVERAGES)  # Bonferroni: all the bounds hold together
    ranked = np.sort(confidences)[::-1]
    candidates = []
    for coverage in COVERAGES:
        least = max(float(ranked[max(int(np.ceil(coverage * len(ranked))) - 1, 0)]), 1 - max_doubt)
        answered = confidences >= least
        risk = upper_bound(int((~correct[answered]).sum()), int(answered.sum()), each)
        candidates.append(Threshold(least, risk, float(answered.mean()), risk <= max_risk))
    met = [candidate for candidate in candidates if candidate.met]
    return met[0] if met else min(candidates, key=lambda candidate: candidate.risk)


def risk_coverage(confidences: NDArray[np.float64], correct: NDArray[np.bool_], confidence: float) -> list[dict[str, float]]:
    """The curve: for each threshold the share answered, the share of those wrong, and its upper bound taken alone."""
    order = np.argsort(-confidences, kind="stable")
    wrong = np.cumsum(~correct[order])
    return [
        {
            "min_confidence": float(confidences[order[count - 1]]),
            "coverage": count / len(order),
            "risk": float(wrong[count - 1] / count),
            "upper_bound": upper_bound(int(wrong[count - 1]), count, confidence),
        }
        for count in range(1, len(order) + 1)
    ]
