"""Image, text and both, out of fold: how each set of modalities does, and whether both together are worth more than one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.metrics import f1_score

from quire.evaluation.calibration import expected_calibration_error
from quire.evaluation.metrics import resampled, share
from quire.model.manifest import Manifest, Thresholds
from quire.training.dataset import Dataset
from quire.training.heads import Floats
from quire.training.modalities import Answered, Answers
from quire.training.proportions import Documents
from quire.training.selective import is_answered

Targets = NDArray[np.int64]


def compare_modalities(answers: Answers, manifest: Manifest, data: Dataset, seed: int) -> dict[str, Any]:
    """Figures of each set of modalities over the items that have at least these; where some have both, each way to use both.

    `single` is the better of image and text alone on those items; `difference` is the pooled accuracy minus its.
    """
    report: dict[str, Any] = {
        "sets": {
            present: figures(each, manifest.pooling[present].thresholds, data.targets[each.rows], data.documents[each.rows], seed)
            for present, each in answers.items()
        }
    }
    if "image+text" in answers:
        report["both"] = _both(answers, data, seed)
    return report


def figures(answered: Answered, thresholds: Thresholds, targets: Targets, documents: Documents, seed: int) -> dict[str, Any]:
    """What a set of modalities is worth, targets and documents (M,)."""
    probabilities = answered.probabilities
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == targets
    given = is_answered(probabilities, answered.unfamiliarity, thresholds)
    return {
        "items": len(targets),
        "documents": len(np.unique(documents)),
        "accuracy": share(correct, documents),
        "macro_f1": round(float(f1_score(targets, probabilities.argmax(1), average="macro")), 6),
        "calibration_error": resampled(documents, lambda rows: expected_calibration_error(confidence[rows], correct[rows]), seed),
        "answered": share(given, documents),
        "answered_accuracy": share(correct[given], documents[given]),
    }


def _both(answers: Answers, data: Dataset, seed: int) -> dict[str, Any]:
    """Accuracy of image and text alone, of the mean of their probabilities and of their pooling, on the items that have both."""
    both = answers["image+text"]
    targets, documents = data.targets[both.rows], data.documents[both.rows]
    alone: dict[str, Floats] = {
        name: each.logits[np.isin(each.rows, both.rows)] for name, each in answers.items() if name != "image+text"
    }
    ways: dict[str, Floats] = {**alone, "mean": np.mean([softmax(each, axis=1) for each in alone.values()], axis=0)}
    ways["pooled"] = log_softmax(both.logits, axis=1)
    right = {name: scores.argmax(1) == targets for name, scores in ways.items()}
    single = max(alone, key=lambda name: (right[name].mean(), name))
    gain = right["pooled"].astype(np.float64) - right[single]
    return {
        "items": len(targets),
        "accuracy": {name: share(each, documents) for name, each in right.items()},
        "single": single,
        "difference": resampled(documents, lambda rows: float(gain[rows].mean()), seed),
    }
