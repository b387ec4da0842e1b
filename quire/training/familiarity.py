"""How unlike the training images an image is."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from quire.training.rows import Matrix, chunks

NEIGHBOURS = 5
GRID = 2.0**20  # steps of a unit on which the references are written, as a head's weights are
MOST = 500  # training images of a label that are compared with: what the model file carries
FARTHEST = 2.0  # one minus the least cosine: to a label without training images, as a fold may have

Floats = NDArray[np.float64]


class Nearest(nn.Module):
    """One minus the mean cosine to the nearest training images of each label (Sun et al. 2022).

    That of the predicted label is the unfamiliarity. It is 0 for the background, for
    whatever no other label names belongs there and needs to resemble nothing.
    """

    def __init__(self, features: Tensor, targets: Tensor, classes: int, background: int | None) -> None:
        super().__init__()
        chosen = torch.from_numpy(spread(targets.numpy()))
        unit = torch.round(normalize(features, dim=1) * GRID) / GRID  # so that every machine writes the same
        self.background = background
        self.references = nn.ParameterList(
            nn.Parameter(unit[chosen[targets[chosen] == label]], requires_grad=False) for label in range(classes)
        )  # (M, 1280) each

    def forward(self, features: Tensor) -> Tensor:
        """(N, 1280) → the distance to each label's training images, (N, C) float32."""
        unit = normalize(features, dim=1)
        columns = [self._distance(unit, reference, label) for label, reference in enumerate(self.references)]
        return torch.stack(columns, 1)

    def of(self, features: Matrix) -> Floats:
        """The same for arrays."""
        with torch.inference_mode():
            return np.concatenate([self(torch.from_numpy(chunk)).numpy() for chunk in chunks(features)])

    def _distance(self, unit: Tensor, reference: Tensor, label: int) -> Tensor:
        if label == self.background:
            return unit[:, 0] * 0
        if not len(reference):
            return torch.full_like(unit[:, 0], FARTHEST)
        nearest = (unit @ reference.T).topk(min(NEIGHBOURS, len(reference)), dim=1).values
        return 1 - nearest.mean(1)


def unfamiliarity(distances: Tensor, zero_shot: Tensor) -> Tensor:
    """How unfamiliar an image is as each label, (N, C): d_k · (1 − m_k), by distances (N, C) and zero-shot logits (N, 2, C).

    d_k is the distance to the label's training images, m_k the backbone's own probability of the label. A breed that nobody
    labelled lies far from the training images, yet is no stranger where the backbone knows it.
    """
    return distances * (1 - known(zero_shot))


def known(zero_shot: Tensor) -> Tensor:
    """m_k, (N, C), by the zero-shot experts' logits, (N, 2, C): exp(z_which(k)) / (1 + exp(−z_any(k))), see `zero_shot.py`.

    0 of the background, and without experts, where both logits are 0.
    """
    which, any_named = zero_shot.unbind(1)
    return which.exp() * torch.sigmoid(any_named) * (any_named != 0)


def spread(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each label at most MOST, evenly spread over their order: their numbers, in order; targets are (N,)."""
    chosen = [np.flatnonzero(targets == label) for label in np.unique(targets)]
    steps = [max(len(own) / MOST, 1) for own in chosen]
    places = [(np.arange(min(len(own), MOST)) * step).astype(int) for own, step in zip(chosen, steps, strict=True)]
    return np.sort(np.concatenate([own[place] for own, place in zip(chosen, places, strict=True)]))
