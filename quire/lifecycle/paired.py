"""Two models on the same images: whether one is worse than the other, by documents."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quire.training.proportions import Documents, upper_bound

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Paired:
    """How many images only one of two models gets right, and between which bounds the net loss, champion − candidate, lies.

    The net loss is the share that only the champion gets right minus the share that only the candidate does. Each share has its
    bounds (`quire/training/proportions.py`) at half the error, so both hold together with CONFIDENCE (Bonferroni).
    """

    images: int
    documents: int
    champion_alone: int
    candidate_alone: int
    least_loss: float
    greatest_loss: float

    def is_no_worse(self, margin: float) -> bool:
        """Whether it is shown that the candidate loses less than `margin` of the images: non-inferiority."""
        return self.greatest_loss < margin

    @property
    def is_worse(self) -> bool:
        """Whether it is shown that the candidate loses images."""
        return self.least_loss > 0

    def __str__(self) -> str:
        alone = f"right alone: champion {self.champion_alone}, candidate {self.candidate_alone}"
        held = f"{self.images} images of {self.documents} documents that neither was fitted on"
        return f"{held}, {alone}, net loss between {self.least_loss:.3f} and {self.greatest_loss:.3f}"


def pair(champion: NDArray[np.bool_], candidate: NDArray[np.bool_], documents: Documents) -> Paired:
    """Compare two models by which images each gets right, and the documents of these, (N,) each."""
    lost, won, side = champion & ~candidate, candidate & ~champion, (1 + CONFIDENCE) / 2
    return Paired(
        images=len(documents),
        documents=len(np.unique(documents)),
        champion_alone=int(lost.sum()),
        candidate_alone=int(won.sum()),
        least_loss=1 - upper_bound(~lost, documents, side) - upper_bound(won, documents, side),
        greatest_loss=upper_bound(lost, documents, side) - (1 - upper_bound(~won, documents, side)),
    )
