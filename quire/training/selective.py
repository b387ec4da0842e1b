"""Selective classification: which answers are given, and when the service says `unsure` instead.

The risk is the share of wrong answers among those given. The confidence threshold is the lowest whose risk a Clopper-Pearson
bound on held-out predictions keeps below `max_risk` (Geifman and El-Yaniv 2017), corrected for the number of thresholds that
were tried. The bound is on all answers together, and where errors are few it lets the least sure of them pass; so an answer whose
own probability of error, 1 - its confidence, is above `max_error_probability` is not given either (Chow 1970).
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import beta

from quire.model.manifest import Thresholds

Share = Annotated[float, Field(gt=0, lt=1)]

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


class Selective(BaseModel):
    """How held-out predictions become the two thresholds.

    At most `max_risk` of the answers given are wrong, shown with `confidence`, and none that is itself likelier wrong than
    `max_error_probability`; `in_distribution_quantile` is the share of held-out images that are not called unfamiliar.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_risk: Share
    confidence: Share
    max_error_probability: Share
    in_distribution_quantile: Share

    def thresholds(
        self, probabilities: NDArray[np.float64], unfamiliarity: NDArray[np.float64], targets: NDArray[np.int64]
    ) -> Thresholds:
        """Both thresholds and how they came about; of held-out images probabilities (N, C), unfamiliarity (N,), targets (N,)."""
        confidences, correct = probabilities.max(1), probabilities.argmax(1) == targets
        chosen = choose_threshold(confidences, correct, self.max_risk, self.confidence, self.max_error_probability)
        scored = unfamiliarity[unfamiliarity > 0]  # the background has no score
        quantile = float(np.quantile(scored, self.in_distribution_quantile)) if len(scored) else 1.0
        return Thresholds(
            **self.model_dump(),
            min_confidence=float(np.floor(chosen.min_confidence * 1e6) / 1e6),
            max_unfamiliarity=round(quantile, 6),
            risk=round(chosen.risk, 6),
            coverage=round(chosen.coverage, 6),
            met=chosen.met,
            images=len(targets),
        )


def upper_bound(wrong: int, answers: int, confidence: float) -> float:
    """The Clopper-Pearson upper bound on the share of wrong answers, one-sided."""
    return 1.0 if wrong >= answers else float(beta.ppf(confidence, wrong + 1, answers - wrong))


def choose_threshold(
    confidences: NDArray[np.float64], correct: NDArray[np.bool_], max_risk: float, confidence: float, max_error_probability: float
) -> Threshold:
    """The lowest threshold whose bound is at most `max_risk`, or the one with the lowest bound where none is.

    Of held-out images the confidences (N,) and whether each is right (N,). No threshold is below 1 - `max_error_probability`.
    """
    each = 1 - (1 - confidence) / len(COVERAGES)  # Bonferroni: all the bounds hold together
    ranked = np.sort(confidences)[::-1]
    candidates = []
    for coverage in COVERAGES:
        least = max(float(ranked[max(int(np.ceil(coverage * len(ranked))) - 1, 0)]), 1 - max_error_probability)
        answered = confidences >= least
        risk = upper_bound(int((~correct[answered]).sum()), int(answered.sum()), each)
        candidates.append(Threshold(least, risk, float(answered.mean()), risk <= max_risk))
    met = [candidate for candidate in candidates if candidate.met]
    return met[0] if met else min(candidates, key=lambda candidate: candidate.risk)
