"""What the labels alone can tell of images nobody labelled, by fitting heads without some of them.

Nothing of what is held out touches the head, the pooling or the thresholds. The test set takes no part.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.cluster import AgglomerativeClustering
from sklearn.preprocessing import normalize

from quire.evaluation.metrics import outcome
from quire.model.manifest import Thresholds
from quire.training.cross_validation import HeldOut, ask, out_of_fold
from quire.training.pooling import Pooling
from quire.training.proportions import Documents
from quire.training.rows import Matrix
from quire.training.selective import Selective
from quire.training.strategies import FineTuned, Frozen

CLUSTERS = 4  # of each label
FEWEST, DRAWS = 10, 5  # images that make clusters of a label; draws of documents for a point of the learning curve
NONE = -1  # the cluster of a label's images that are fewer: left out, the label would be lost
SHARES = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8)  # of the documents, the points of the learning curve


def clusters(features: Matrix, targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """A cluster for each image, (N,), or NONE: of each label's features, (N, F), by Ward's linkage on unit length."""
    unit = normalize(np.asarray(features))
    found = np.full(len(targets), NONE)
    for label in np.unique(targets):
        own = targets == label
        if own.sum() >= FEWEST:
            found[own] = CLUSTERS * label + AgglomerativeClustering(CLUSTERS).fit_predict(unit[own])
    return found


def left_out(features: Matrix, targets: NDArray[np.int64], documents: Documents) -> list[NDArray[np.bool_]]:
    """The clusters, (N,) bool each, that can be left out with their documents without losing a label."""
    cluster_of = clusters(features, targets)
    parts = [cluster_of == cluster for cluster in np.unique(cluster_of) if cluster != NONE]
    return [out for out in parts if set(targets[in_other_documents(out, documents)]) == set(targets)]


def leave_one_cluster_out(
    strategy: Frozen, targets: NDArray[np.int64], fold_of: NDArray[np.int64], documents: Documents,
    parts: Sequence[NDArray[np.bool_]], selective: Selective, held_out: HeldOut,
) -> dict[str, Any]:  # fmt: skip
    """Each of `parts` answered by a model that saw no document with an image of it: all experts pooled, and the head alone.

    For each cluster pooling and thresholds are set by predictions of their own. Where fits take too long for that, fine-tuned
    ones, they are set by those of `held_out` that are of the other clusters: by models that had seen the cluster.
    """
    variants = {"pooled": strategy} | ({"head_alone": strategy.head_alone()} if strategy.plan.experts else {})
    order = np.concatenate([np.flatnonzero(out) for out in parts]) if parts else np.zeros(0, np.int64)
    report: dict[str, Any] = {"clusters": len(parts), "images": len(order)}
    for name, variant in variants.items():
        outcomes = [np.zeros((0, 2), bool)]
        for out in parts:
            seen = in_other_documents(out, documents)
            fixed = isinstance(variant, FineTuned)
            judged = held_out.of(seen) if fixed else out_of_fold(variant.of(seen), targets[seen], fold_of[seen])
            thresholds = selective.thresholds(judged.probabilities, judged.unfamiliarity, targets[seen], documents[seen])
            outcomes.append(_outcomes(variant, seen, out, targets, judged.pooling, thresholds))
        right, answered = np.concatenate(outcomes).T  # (M,) each
        report[name] = outcome(right, answered, documents[order])
    return report


def in_other_documents(out: NDArray[np.bool_], documents: Documents) -> NDArray[np.bool_]:
    """The images of the documents that hold none of `out`, (N,) bool: what is nearly equal often lies in the same one."""
    return ~np.isin(documents, documents[out])


def _outcomes(
    strategy: Frozen,
    seen: NDArray[np.bool_],
    out: NDArray[np.bool_],
    targets: NDArray[np.int64],
    pooling: Pooling,
    thresholds: Thresholds,
) -> NDArray[np.bool_]:
    """Whether right and whether answered, (M, 2) bool, for the images `out`, by a model that is fitted on `seen`."""
    opinions = ask(strategy, targets, seen, out)
    logits = pooling.logits(opinions)
    probabilities = softmax(logits, axis=1)
    answered = probabilities.max(1) >= thresholds.min_confidence
    if strategy.plan.experts:
        answered &= opinions.unfamiliarity(logits) <= thresholds.max_unfamiliarity
    return np.column_stack([probabilities.argmax(1) == targets[out], answered])


def few_labels(strategy: Frozen, targets: NDArray[np.int64], documents: Documents, seed: int) -> list[dict[str, float]]:
    """The learning curve: accuracy on the other documents, by the number of documents labelled, over seeded draws.

    The zero-shot experts weigh what they do before any labels are held out.
    """
    names, random = np.unique(documents).tolist(), Random(seed)
    sizes = sorted({max(2, round(share * len(names))) for share in SHARES})
    return [_point(strategy, targets, documents, [random.sample(names, size) for _ in range(DRAWS)]) for size in sizes]


def _point(strategy: Frozen, targets: NDArray[np.int64], documents: Documents, draws: list[list[int]]) -> dict[str, float]:
    chosen = [np.isin(documents, draw) for draw in draws]
    accuracies = [_accuracy(strategy, targets, train) for train in chosen]
    return {
        "documents": len(draws[0]),
        "images": round(float(np.mean([train.sum() for train in chosen])), 1),
        "accuracy": round(float(np.mean(accuracies)), 6),
        "lowest": round(min(accuracies), 6),
        "highest": round(max(accuracies), 6),
    }


def _accuracy(strategy: Frozen, targets: NDArray[np.int64], train: NDArray[np.bool_]) -> float:
    fitted = strategy.fit(targets, train)
    logits = fitted.head.logits(fitted.features[~train]) + strategy.offsets(strategy.probabilities[~train])
    return float((logits.argmax(1) == targets[~train]).mean())
