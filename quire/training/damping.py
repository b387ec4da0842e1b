"""Out-of-distribution damping: how far from its training images a head is believed on the open question.

The background has no end, and a head knows the few kinds of it that were labelled: whatever is unlike those it calls one of the
named labels. So where an image lies further from all their training images than these lie from one another, the head's opinion on
whether it is any of them fades, and the zero-shot expert's is left. Its opinion on which of them stays. With z the head's logits,
b the background, d the least distance to a named label's training images:

    opinion = max(0, mean of z_k over the named k − z_b)
    z_b ← z_b + share · opinion · (1 − exp(−max(0, d − limit) / scale))
"""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor, nn

TAIL = 0.9  # what lies beyond this quantile shapes the tail


class Damping(nn.Module):
    """Logits (N, C) and distances (N, C) → damped logits (N, C). As they were where no label is the background."""

    def __init__(self, background: int | None, limit: float, scale: float, share: float) -> None:
        super().__init__()
        self.background, self.limit, self.scale, self.share = background, limit, scale, share

    def forward(self, logits: Tensor, distances: Tensor) -> Tensor:
        """The head's logits (N, C) and the distances to each label's training images (N, C) → (N, C)."""
        if self.background is None:
            return logits
        labels = torch.arange(logits.shape[1])
        named = [label for label in range(logits.shape[1]) if label != self.background]
        beyond = (distances[:, named].amin(1) - self.limit).clamp_min(0)
        opinion = (logits[:, named].mean(1) - logits[:, self.background]).clamp_min(0)
        taken = self.share * opinion * (1 - (-beyond / self.scale).exp())
        return logits + taken[:, None] * (labels == self.background)

    def of(self, logits: NDArray[np.float64], distances: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for arrays."""
        return np.asarray(self(torch.from_numpy(logits), torch.from_numpy(distances)).numpy())

    def described(self) -> dict[str, float] | None:
        """Its figures; none where no label is the background."""
        return None if self.background is None else {"limit": self.limit, "scale": self.scale, "share": self.share}


def fit_damping(
    distances: NDArray[np.float64], named: NDArray[np.bool_], said_named: NDArray[np.bool_], quantile: float, background: int | None
) -> Damping:
    """The damping by held-out images.

    Of each, (N,): the distance to the training images of its own label, whether that label is a named one, and whether the
    zero-shot expert says that it is. The limit is the `quantile` of the named ones' distances. Beyond it the head's say falls
    as the share of them that lie still further would, by the exponential tail of those beyond TAIL (peaks over a threshold,
    Pickands 1975). What share of its say can fall is the expert's informedness (Youden 1950), true positive rate + true
    negative rate − 1: 1 where it is always right, 0 where it knows nothing.
    """
    if background is None or named.all() or not named.any():
        return Damping(None, 0, 1, 0)
    own = distances[named]
    threshold, limit = np.quantile(own, [TAIL, quantile])
    excess = own[own > threshold] - threshold
    scale = max(float(excess.mean()) if len(excess) else 0, 1e-3)
    informedness = balanced_accuracy_score(named, said_named, adjusted=True)
    return Damping(background, *(round(float(figure), 6) for figure in (limit, scale, max(informedness, 0))))
