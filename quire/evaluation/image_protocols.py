"""What `train` measures of a model of images, with models of its own."""

from typing import Any

from quire.evaluation.metrics import share
from quire.evaluation.precisions import side_by_side
from quire.evaluation.protocols import few_labels, leave_one_cluster_out, left_out
from quire.evaluation.strangers import compare_scores
from quire.training.cross_validation import HeldOut, out_of_fold
from quire.training.encoders import ImageEncoder
from quire.training.fit import Fit
from quire.training.settings import Precision
from quire.training.strategies import FineTuned, Frozen


def image_protocols(fit: Fit, strategy: Frozen, encoder: ImageEncoder, held_out: HeldOut) -> dict[str, Any]:
    """What needs models of its own; beside them the head alone on the frozen encoder's features, and the other precision."""
    data, settings = fit.data, fit.settings
    targets, fold_of, documents, selective = data.targets, data.fold_of, data.documents, settings.selective
    parts = left_out(strategy.features, targets, documents)
    frozen = Frozen(strategy.plan, strategy.features, strategy.probabilities)
    alone = out_of_fold(frozen.head_alone(), targets, fold_of).logits.argmax(1) == targets
    found = {
        "head_alone": share(alone, documents),
        "leave_one_cluster_out": leave_one_cluster_out(strategy, targets, fold_of, documents, parts, selective, held_out),
        "few_labels": few_labels(frozen, targets, documents, settings.seed),
        "unfamiliarity_scores": compare_scores(frozen, targets, documents, parts, held_out, selective.in_distribution_quantile),
    }
    if isinstance(strategy, FineTuned):
        return found
    other: Precision = "fp32" if settings.precision == "int8" else "int8"
    beside = out_of_fold(fit.in_precision(strategy, encoder, other), targets, fold_of)
    return found | {"precision": side_by_side({settings.precision: held_out, other: beside}, targets, documents, selective)}
