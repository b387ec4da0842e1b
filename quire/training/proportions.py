"""How much a share of images can tell, where images of one document hang together: documents are the unit.

A share of n images in d documents is worth as much as one of fewer independent images, n / deff. The design effect deff is the
share's variance between documents, against that of n independent images; n* = n / deff takes the place of n in the interval of
Clopper and Pearson (Korn and Graubard 1998, *Confidence intervals for proportions with small expected number of positive counts
estimated from survey data*, Survey Methodology 24).

Their estimate fails where few documents hold an error: one error alone says nothing about whether errors hang together, and none
at all gives no variance. So the variance is taken as if one document more had been seen, of the usual size and wrong throughout
(or right, where that is the rarer). Without any error n* is then about the number of documents; with many it changes nothing.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

Documents = NDArray[np.int64]  # (N,): the number of each image's document


def effective_count(chosen: NDArray[np.bool_], documents: Documents, confidence: float) -> float:
    """n*, how many independent images the share of `chosen` is worth, (N,) bool and (N,); at least 1 and at most N.

    `confidence` is that of one side of an interval: the fewer documents, the wider it is, as Student's t with d − 1 degrees of
    freedom is wider than with N − 1.
    """
    count = len(chosen)
    _, document_of, sizes = np.unique(documents, return_inverse=True, return_counts=True)  # (N,), (D,)
    if count < 2 or len(sizes) < 2:
        return 1.0
    rarer = chosen if 2 * chosen.sum() <= count else ~chosen
    found, size = np.bincount(document_of, rarer), count / len(sizes)  # (D,), and that of the document more
    share = (found.sum() + size) / (count + size)
    squares = ((found - share * sizes) ** 2).sum() + (size * (1 - share)) ** 2
    design_effect = (len(sizes) + 1) / len(sizes) * squares / ((count + size) * share * (1 - share))
    freedom = float(stdtrit(count - 1, confidence) / stdtrit(len(sizes) - 1, confidence)) ** 2
    return float(np.clip(count / design_effect * freedom, 1, count))


def upper_bound(chosen: NDArray[np.bool_], documents: Documents, confidence: float) -> float:
    """What the share of `chosen` is at most, with that confidence: one-sided; of no images, 1."""
    if not len(chosen):
        return 1.0
    count = effective_count(chosen, documents, confidence)
    successes = count * float(chosen.mean())
    return float(betaincinv(successes + 1, count - successes, confidence)) if successes < count else 1.0


def interval(chosen: NDArray[np.bool_], documents: Documents, confidence: float = 0.95) -> tuple[float, float]:
    """Between which bounds the share of `chosen` lies, with that confidence: two-sided; of no images, 0 and 1."""
    side = (1 + confidence) / 2
    return 1 - upper_bound(~chosen, documents, side), upper_bound(chosen, documents, side)
