"""The encoder in 8 bits beside the encoder in single precision, all that follows fitted anew on the features of each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quire.evaluation.metrics import outcome, share
from quire.training.cross_validation import HeldOut
from quire.training.proportions import Documents
from quire.training.selective import Selective, is_answered
from quire.training.settings import Precision


def side_by_side(
    found: Mapping[Precision, HeldOut], targets: NDArray[np.int64], documents: Documents, selective: Selective
) -> dict[str, Any]:
    """What became of images, targets (N,), by the out-of-fold predictions of each precision; where both answer, how many differ."""
    predicted = {name: each.logits.argmax(1) for name, each in found.items()}
    answered = {name: _answered(each, targets, documents, selective) for name, each in found.items()}
    both = np.logical_and.reduce(list(answered.values()))
    first, *others = predicted.values()
    differing = np.any([first[both] != other[both] for other in others], axis=0)  # (M,)
    outcomes = {name: {**outcome(predicted[name] == targets, answered[name], documents)} for name in found}
    return {"outcomes": outcomes, "both_answer": int(both.sum()), "differing": share(differing, documents[both])}


def _answered(held_out: HeldOut, targets: NDArray[np.int64], documents: Documents, selective: Selective) -> NDArray[np.bool_]:
    """Whether the decision is not `unsure`, (N,) bool, by thresholds that are set as the served ones are."""
    limits = selective.thresholds(held_out.probabilities, held_out.unfamiliarity, targets, documents)
    return is_answered(held_out.probabilities, held_out.unfamiliarity, limits)
