"""Selective classification: which answers are given, and when the service says `unsure` instead.

The risk is the share of wrong answers among those given. The confidence threshold is the lowest whose risk a bound on held-out
predictions keeps below `max_risk` (Geifman and El-Yaniv 2017), corrected for the number of thresholds that were tried; the bound
counts documents (`quire/training/proportions.py`). It is on all answers together, and where errors are few it lets the least sure
of them pass; so an answer whose own probability of error, 1 - its confidence, is above `max_error_probability` is not given either
(Chow 1970). Where the documents are too few to show the risk, that alone decides.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from quire.model.manifest import Thresholds
from quire.training.proportions import Documents, upper_bound

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
    met: bool  # whether the risk asked for is shown; else `risk` is what the documents carry


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
        self,
        probabilities: NDArray[np.float64],
        unfamiliarity: NDArray[np.float64],
        targets: NDArray[np.int64],
        documents: Documents,
    ) -> Thresholds:
        """Both thresholds and how they came about.

        Of held-out images probabilities (N, C), unfamiliarity (N,), targets (N,) and documents (N,).
        """
        confidences, correct = probabilities.max(1), probabilities.argmax(1) == targets
        chosen = choose_threshold(confidences, correct, documents, self.max_risk, self.confidence, self.max_error_probability)
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


def is_answered(probabilities: NDArray[np.float64], unfamiliarity: NDArray[np.float64], limits: Thresholds) -> NDArray[np.bool_]:
    """Whether the decision is not `unsure`, (N,) bool, of probabilities (N, C) and unfamiliarity (N,), as the predictor decides."""
    return np.asarray((probabilities.max(1) >= limits.min_confidence) & (unfamiliarity <= limits.max_unfamiliarity))


def choose_threshold(
    confidences: NDArray[np.float64],
    correct: NDArray[np.bool_],
    documents: Documents,
    max_risk: float,
    confidence: float,
    max_error_probability: float,
) -> Threshold:
    """The lowest threshold whose bound is at most `max_risk`, or 1 - `max_error_probability`, and not met, where none is.

    Of held-out images the confidences (N,), whether each is right (N,) and its document (N,). No threshold is below
    1 - `max_error_probability`, and the one that answers all is just that: what confidence the least sure of few images happened to
    have says nothing of the next. Those that answer fewer are quantiles.
    """
    each = 1 - (1 - confidence) / len(COVERAGES)  # Bonferroni: all the bounds hold together
    floor = 1 - max_error_probability
    quantiles = np.quantile(confidences, [1 - coverage for coverage in COVERAGES[1:]])

    def judged(least: float) -> Threshold:
        answered = confidences >= least
        risk = upper_bound(~correct[answered], documents[answered], each)
        return Threshold(least, risk, float(answered.mean()), risk <= max_risk)

    candidates = [judged(max(floor, least)) for least in (floor, *quantiles.tolist())]
    return next((candidate for candidate in candidates if candidate.met), candidates[0])
