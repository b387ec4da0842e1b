"""Out-of-distribution damping: how far from its training images a head is believed.

A head knows the images that were labelled. What is unlike those of the background it calls one of the named labels, and which of
them says little where no training image of either is near. So where an image lies further from all the named labels' training
images than these lie from one another, both opinions fade, each by as much as the zero-shot expert is right about its question
on held-out images, and that expert is left. With z the head's logits, b the background, z̄ the mean of z_k over the named k, d the
least distance to a named label's training images:

    fade = 1 − exp(−max(0, d − limit) / scale)
    z_k ← z̄ + (z_k − z̄) · (1 − share_which · fade)       for the named k
    z_b ← z_b + share_any · fade · max(0, z̄ − z_b)
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

TAIL = 0.9  # what lies beyond this quantile shapes the tail


class Damping(nn.Module):
    """Logits (N, C) and distances (N, C) → damped logits (N, C). As they were where no label is the background."""

    def __init__(self, background: int | None, limit: float, scale: float, share_any: float, share_which: float) -> None:
        super().__init__()
        self.background, self.limit, self.scale = background, limit, scale
        self.share_any, self.share_which = share_any, share_which

    def forward(self, logits: Tensor, distances: Tensor) -> Tensor:
        """The head's logits (N, C) and the distances to each label's training images (N, C) → (N, C)."""
        if self.background is None:
            return logits
        labels = torch.arange(logits.shape[1])
        named = [label for label in range(logits.shape[1]) if label != self.background]
        beyond = (distances[:, named].amin(1, keepdim=True) - self.limit).clamp_min(0)
        fade = 1 - (-beyond / self.scale).exp()  # (N, 1)
        mean = logits[:, named].mean(1, keepdim=True)
        which = (logits - mean) * (self.share_which * fade)
        opinion = (mean - logits[:, [self.background]]).clamp_min(0)
        return logits - which * (labels != self.background) + self.share_any * opinion * fade * (labels == self.background)

    def of(self, logits: NDArray[np.float64], distances: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for arrays."""
        return np.asarray(self(torch.from_numpy(logits), torch.from_numpy(distances)).numpy())

    def described(self) -> dict[str, float] | None:
        """Its figures; none where no label is the background."""
        figures = {"limit": self.limit, "scale": self.scale, "share_any": self.share_any, "share_which": self.share_which}
        return None if self.background is None else figures


def fit_damping(
    distances: NDArray[np.float64],
    targets: NDArray[np.int64],
    zero_shot: NDArray[np.float64],
    quantile: float,
    background: int | None,
) -> Damping:
    """The damping by held-out images.

    Of each, (N,): the distance to its own label's training images and that label; what the zero-shot experts say, (N, 2, C).
    Beyond TAIL the named ones' distances are taken to fall off exponentially (peaks over a threshold, Pickands 1975): scale is
    their mean excess, and limit the `quantile` of that tail, which no single image decides. The shares are the experts'
    informedness (Youden 1950; of more labels the mean recall, rescaled): 1 where one is always right, 0 where it knows nothing.
    """
    named = targets != background
    if background is None or named.all() or not named.any():
        return Damping(None, 0, 1, 0, 0)
    own, others = distances[named], np.delete(np.arange(zero_shot.shape[2]), background)
    threshold = np.quantile(own, TAIL)
    excess = own[own > threshold] - threshold
    scale = max(float(excess.mean()) if len(excess) else 0, 1e-3)
    limit = threshold + scale * np.log((1 - TAIL) / (1 - quantile))
    share_any = _informedness(named, zero_shot[:, 1].sum(1) > 0)
    share_which = _informedness(targets[named], others[zero_shot[named, 0][:, others].argmax(1)])
    return Damping(background, *(round(float(figure), 6) for figure in (limit, scale, share_any, share_which)))


def _informedness(truth: NDArray[np.generic], said: NDArray[np.generic]) -> float:
    """The mean recall, rescaled so that chance is 0 and always right 1; 0 where there is one label only, or less than chance."""
    labels = np.unique(truth)
    recall = np.mean([(said[truth == label] == label).mean() for label in labels])
    return max(float(recall - 1 / len(labels)) / (1 - 1 / len(labels)), 0.0) if len(labels) > 1 else 0.0
