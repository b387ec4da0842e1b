"""Whether a confidence of 90 % is right nine times in ten."""

import numpy as np
from numpy.typing import NDArray

BINS, LEAST = 10, 15  # bins at most, and images for which there is one more


def bins_of(confidence: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """The images of each bin: bins of equal count by confidence, (N,) float64, lowest first.

    Equals stay in one bin, so bins may differ. There are fewer than ten bins where they would hold under 15 images.
    """
    count = min(BINS, max(len(confidence) // LEAST, 1))
    edges = np.quantile(confidence, np.arange(1, count) / count)  # (B - 1,)
    bins = np.searchsorted(edges, confidence, side="right")
    return [np.flatnonzero(bins == number) for number in np.unique(bins)]


def expected_calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """The mean gap between confidence and accuracy over bins of equal count; both are (N,).

    ECE = Σ_b |B_b| / N · |accuracy(B_b) − mean confidence(B_b)|  (Naeini et al. 2015, there with bins of equal width;
    of equal count: Nguyen and O'Connor 2015, and less biased: Roelofs et al. 2022).
    """
    gaps = (len(held) * abs(correct[held].mean() - confidence[held].mean()) for held in bins_of(confidence))
    return float(sum(gaps) / len(confidence))
