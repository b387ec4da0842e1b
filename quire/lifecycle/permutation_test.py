"""Do two samples of images come from one source? Permutation tests by document, corrected for their number."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from quire.command import BadInput

PERMUTATIONS = 1999
SIGNIFICANCE = 0.01  # of all measures together
MIN_GROUPS = 10  # documents on a side, below which no permutation can be rare


@dataclass(frozen=True)
class Sample:
    """N images of one side. `groups` are documents: what came together is moved together."""

    name: str
    groups: NDArray[np.str_]  # (N,)
    measures: dict[str, NDArray[np.float64]]  # by name, (N, D) each
    labels: list[str]  # what the columns of "class mix" stand for


@dataclass(frozen=True)
class Shift:
    """How far two samples lie apart in one measure, and how often chance alone would bring that about."""

    measure: str
    before: str
    after: str
    distance: float
    p_value: float
    drifted: bool


def energy_distance(distances: NDArray[np.float64], sides: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy distance (Székely and Rizzo 2013) of each split: distances (N, N), sides (N, P) 0 or 1 → (P,).

    On one-hot vectors it is √2 times the squared differences of the shares.
    """
    before, after = (1 - sides) / (1 - sides).sum(0), sides / sides.sum(0)  # (N, P) each
    between, within = (before * (distances @ after)).sum(0), [(part * (distances @ part)).sum(0) for part in (before, after)]
    return np.asarray(2 * between - within[0] - within[1])


def permuted_sides(groups: NDArray[np.str_], sides: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """The sides as they are, then with whole groups dealt out anew: (N, 1 + PERMUTATIONS)."""
    names, index = np.unique(groups, return_inverse=True)
    side_of = np.zeros(len(names))
    side_of[index] = sides
    random = np.random.default_rng(seed)
    dealt = np.stack([side_of, *(random.permutation(side_of) for _ in range(PERMUTATIONS))], axis=1)  # (G, 1 + P)
    return np.asarray(dealt[index])


def shifts(before: Sample, after: Sample, seed: int = 0) -> list[Shift]:
    """Compare two samples in each measure that both have. Raises BadInput where there are too few to tell.

    Permutation tests over documents; Holm's correction (1979) keeps the chance of any false alarm below SIGNIFICANCE.
    """
    for sample in (before, after):
        if len(set(sample.groups)) < MIN_GROUPS:
            raise BadInput(f"{sample.name}: {len(set(sample.groups))} documents, too few to tell a drift from chance")
    groups = np.array([f"before {name}" for name in before.groups] + [f"after {name}" for name in after.groups])
    sides = np.repeat([0.0, 1.0], [len(before.groups), len(after.groups)])
    dealt = permuted_sides(groups, sides, seed)
    found: dict[str, tuple[float, float]] = {}
    for measure in before.measures.keys() & after.measures.keys():
        values = np.concatenate([before.measures[measure], after.measures[measure]])
        distances = energy_distance(squareform(pdist(values)), dealt)
        found[measure] = float(distances[0]), float((distances >= distances[0] - 1e-12).mean())
    drifted = _holm({measure: p_value for measure, (_, p_value) in found.items()})
    return [
        Shift(measure, _summary(before, measure), _summary(after, measure), *found[measure], measure in drifted)
        for measure in before.measures
        if measure in found
    ]


def _holm(p_values: dict[str, float]) -> set[str]:
    drifted: set[str] = set()
    for rank, (measure, p_value) in enumerate(sorted(p_values.items(), key=lambda pair: pair[1])):
        if p_value > SIGNIFICANCE / (len(p_values) - rank):
            break
        drifted.add(measure)
    return drifted


def _summary(sample: Sample, measure: str) -> str:
    values = sample.measures[measure]
    if measure == "class mix":
        return ", ".join(f"{label} {share:.2f}" for label, share in zip(sample.labels, values.mean(0), strict=True))
    if measure == "image size":
        return " x ".join(f"{np.exp(value):.0f}" for value in np.median(values, axis=0))
    if measure == "embedding":
        return f"{len(values)} images"
    return f"{np.median(values):.3f}"
