"""How far from its training images a head is believed that an image is any of the labels that name something.

The rest has no end, and a head knows the few kinds of it that were labelled: whatever is unlike those it calls one of the
named labels. So where an image lies further from all their training images than these lie from one another, the head's
opinion on that question fades, and the prior's is left: as far as the prior answers it for held-out images, which it
does for photographs and does not for drawings. The head's opinion on which of the named labels stays.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor, nn

TAIL = 0.9  # what lies beyond this quantile shapes the tail


class Reach(nn.Module):
    """Believes a head whole up to a distance of `limit`; from there on a share of its say falls by a factor e each `scale`."""

    def __init__(self, rest: int | None, limit: float, scale: float, share: float) -> None:
        super().__init__()
        self.rest, self.limit, self.scale, self.share = rest, limit, scale, share

    def forward(self, logits: Tensor, distances: Tensor) -> Tensor:
        """A head's logits (N, C) and the distances to each label's training images (N, C) → logits (N, C).

        As they were where no label is the rest.
        """
        if self.rest is None:
            return logits
        labels = torch.arange(logits.shape[1])
        named = [label for label in range(logits.shape[1]) if label != self.rest]
        beyond = (distances[:, named].amin(1) - self.limit).clamp_min(0)
        opinion = (logits[:, named].mean(1) - logits[:, self.rest]).clamp_min(0)
        taken = self.share * opinion * (1 - (-beyond / self.scale).exp())
        return logits + taken[:, None] * (labels == self.rest)

    def of(self, logits: NDArray[np.float64], distances: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for arrays."""
        return np.asarray(self(torch.from_numpy(logits), torch.from_numpy(distances)).numpy())

    def described(self) -> dict[str, Any] | None:
        """Its figures; none where no label is the rest."""
        return None if self.rest is None else {"limit": self.limit, "scale": self.scale, "share": self.share}


def fit_reach(
    distances: NDArray[np.float64], named: NDArray[np.bool_], said_named: NDArray[np.bool_], familiar: float, rest: int | None
) -> Reach:
    """The reach by held-out images.

    Of each, (N,): the distance to the training images of its own label, whether that names something, and whether the
    prior says that it does. `familiar` is the share of the named within the limit. Beyond it the head's say falls as the
    share of them that lie still further would, by the exponential tail of those beyond TAIL (peaks over a threshold,
    Pickands 1975). What share of its say can fall is the prior's informedness (Youden 1950): 1 where it is always right,
    0 where it knows nothing.
    """
    if rest is None or named.all() or not named.any():
        return Reach(None, 0, 1, 0)
    own = distances[named]
    threshold, limit = np.quantile(own, [TAIL, familiar])
    excess = own[own > threshold] - threshold
    scale = max(float(excess.mean()) if len(excess) else 0, 1e-3)
    informedness = balanced_accuracy_score(named, said_named, adjusted=True)
    return Reach(rest, *(round(float(figure), 6) for figure in (limit, scale, max(informedness, 0))))
