"""How unlike the training images an image is: the score that is served, and those it was compared with."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score
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

    d_k is the distance to the label's training images, m_k the backbone's own probability of the label, 0 without zero-shot
    experts. A breed that nobody labelled lies far from the training images, yet is no stranger where the backbone knows it. With
    the experts' logits m_k = exp(z_which(k)) · 1 / (1 + exp(−z_any(k))), see `quire/training/zero_shot.py`.
    """
    which, any_named = zero_shot.unbind(1)
    known = which.exp() * torch.sigmoid(any_named) * (any_named != 0)  # of the background, and without experts, both are 0
    return distances * (1 - known)


def spread(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each label at most MOST, evenly spread over their order: their numbers, in order; targets are (N,)."""
    chosen = [np.flatnonzero(targets == label) for label in np.unique(targets)]
    steps = [max(len(own) / MOST, 1) for own in chosen]
    places = [(np.arange(min(len(own), MOST)) * step).astype(int) for own, step in zip(chosen, steps, strict=True)]
    return np.sort(np.concatenate([own[place] for own, place in zip(chosen, places, strict=True)]))


def compare(
    features: Floats, targets: NDArray[np.int64], fold_of: NDArray[np.int64], logits: Floats, background: int | None
) -> dict[str, float]:
    """How well each score tells a label that was left out from the labels that were not: mean AUROC, 0.5 by chance.

    Features (N, 1280), out-of-fold logits (N, C). Each label but the background is left out in turn: its images are scored
    against the others', whose own scores are out of fold.
    """
    found: dict[str, list[float]] = {name: [] for name in SCORES}
    for label in np.unique(targets):
        if label == background or len(np.unique(targets[targets != label])) < 2:
            continue
        kept = targets != label
        columns = [column for column in range(logits.shape[1]) if column != label]
        for name, score in SCORES.items():
            known = np.zeros(len(targets))
            for fold in np.unique(fold_of[kept]):
                train, out = kept & (fold_of != fold), kept & (fold_of == fold)
                known[out] = score(
                    features[train], targets[train], logits[train][:, columns], features[out], logits[out][:, columns]
                )
            new = ~kept
            unknown = score(features[kept], targets[kept], logits[kept][:, columns], features[new], logits[new][:, columns])
            truth = np.concatenate([np.zeros(kept.sum()), np.ones(new.sum())])
            found[name].append(float(roc_auc_score(truth, np.concatenate([known[kept], unknown]))))
    return {name: round(float(np.mean(values)), 6) for name, values in found.items() if values}


def _energy(_: Floats, __: NDArray[np.int64], ___: Floats, ____: Floats, logits: Floats) -> Floats:
    """Liu et al. 2020."""
    return np.asarray(-logsumexp(logits, axis=1))


def _max_logit(_: Floats, __: NDArray[np.int64], ___: Floats, ____: Floats, logits: Floats) -> Floats:
    """Hendrycks et al. 2022."""
    return np.asarray(-logits.max(1))


def _nearest(train: Floats, targets: NDArray[np.int64], _: Floats, asked: Floats, __: Floats) -> Floats:
    """What `Nearest` serves, of the nearest label."""
    labels = np.unique(targets)
    score = Nearest(torch.from_numpy(train), torch.from_numpy(np.searchsorted(labels, targets)), len(labels), None)
    with torch.inference_mode():
        return np.asarray(score(torch.from_numpy(asked)).min(1).values.numpy())


def _relative_mahalanobis(train: Floats, targets: NDArray[np.int64], _: Floats, asked: Floats, __: Floats) -> Floats:
    """Ren et al. 2021, in the training images' 64 main directions, covariances shrunk (Ledoit and Wolf 2004)."""
    centre = train.mean(0)
    basis = np.linalg.svd(train - centre, full_matrices=False)[2][:64].T  # (1280, 64)
    train, asked = (train - centre) @ basis, (asked - centre) @ basis
    labels = np.unique(targets)
    means = np.stack([train[targets == label].mean(0) for label in labels])
    within = np.linalg.inv(ledoit_wolf(train - means[np.searchsorted(labels, targets)], assume_centered=True)[0])
    background = np.linalg.inv(ledoit_wolf(train, assume_centered=True)[0])
    distances = np.stack([_mahalanobis(asked - mean, within) for mean in means], 1)
    return np.asarray(distances.min(1) - _mahalanobis(asked, background))


def _mahalanobis(offsets: Floats, precision: Floats) -> Floats:
    return np.asarray(np.einsum("nd,de,ne->n", offsets, precision, offsets))


def _vim(train: Floats, _: NDArray[np.int64], logits: Floats, asked: Floats, asked_logits: Floats) -> Floats:
    """Virtual-logit matching (Wang et al. 2022), its residual off the 32 main directions."""
    centre = train.mean(0)
    basis = np.linalg.svd(train - centre, full_matrices=False)[2][:32].T  # (1280, 32)

    def residual(features: Floats) -> Floats:
        offsets = features - centre
        return np.asarray(np.linalg.norm(offsets - offsets @ basis @ basis.T, axis=1))

    scale = logits.max(1).mean() / residual(train).mean()
    return np.asarray(scale * residual(asked) - logsumexp(asked_logits, axis=1))


SCORES = {
    "nearest training images": _nearest,
    "relative Mahalanobis": _relative_mahalanobis,
    "virtual-logit matching": _vim,
    "energy": _energy,
    "maximum logit": _max_logit,
}
