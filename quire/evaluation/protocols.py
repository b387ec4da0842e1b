"""What the labels alone can tell of images nobody labelled, by fitting heads without some of them.

Nothing of what is held out touches the head, the pooling or the thresholds. The test set takes no part.
"""

from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.cluster import AgglomerativeClustering
from sklearn.preprocessing import normalize

from quire.evaluation.metrics import proportion
from quire.training.cross_validation import HeldOut, ask, out_of_fold
from quire.training.pooling import Pooling
from quire.training.rows import Matrix
from quire.training.selective import Selective
from quire.training.strategies import FineTuned, Frozen

CLUSTERS = 4  # of each label
FEWEST, DRAWS = 10, 5  # images that make clusters of a label; draws of documents for a point of the learning curve
SHARES = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8)  # of the documents, the points of the learning curve


def clusters(features: Matrix, targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """A cluster for each image, (N,): of each label's features, (N, F), by Ward's linkage on unit length."""
    unit = normalize(np.asarray(features))
    found = np.zeros(len(targets), np.int64)
    for label in np.unique(targets):
        own = targets == label
        members = AgglomerativeClustering(CLUSTERS).fit_predict(unit[own]) if own.sum() >= FEWEST else 0
        found[own] = CLUSTERS * label + members
    return found


def leave_one_cluster_out(
    strategy: Frozen, targets: NDArray[np.int64], fold_of: NDArray[np.int64], selective: Selective, held_out: HeldOut
) -> dict[str, Any]:
    """Each cluster answered by a model that saw none of it: with all experts pooled, and with the head alone.

    For each cluster pooling and thresholds are set by predictions of their own. Where fits take too long for that, fine-tuned
    ones, they are set by those of `held_out` that are of the other clusters: by models that had seen the cluster.
    """
    cluster_of = clusters(strategy.features, targets)
    variants = {"pooled": strategy} | ({"head_alone": strategy.head_alone()} if strategy.plan.experts else {})
    report: dict[str, Any] = {"clusters": len(np.unique(cluster_of))}
    for name, variant in variants.items():
        outcomes = []
        for cluster in np.unique(cluster_of):
            out = cluster_of == cluster
            fixed = isinstance(variant, FineTuned)
            judged = held_out.of(~out) if fixed else out_of_fold(variant.of(~out), targets[~out], fold_of[~out])
            outcomes.append(_outcomes(variant, out, targets, judged, selective))
        right, wrong, unsure = np.concatenate(outcomes).sum(0)
        counts = {"right": right, "decided_wrong": wrong, "unsure": unsure}
        report[name] = {part: proportion(int(count), len(targets)) for part, count in counts.items()}
    return report


def _outcomes(
    strategy: Frozen, out: NDArray[np.bool_], targets: NDArray[np.int64], judged: HeldOut, selective: Selective
) -> NDArray[np.bool_]:
    """Right, decided wrong, unsure, (M, 3) bool, for the images `out`, by a model that is fitted on the others."""
    thresholds = selective.thresholds(judged.probabilities, judged.unfamiliarity, targets[~out])
    pooling: Pooling = judged.pooling
    opinions = ask(strategy, targets, ~out, out)
    logits = pooling.logits(opinions)
    probabilities = softmax(logits, axis=1)
    right = probabilities.argmax(1) == targets[out]
    unsure = probabilities.max(1) < thresholds.min_confidence
    if strategy.plan.experts:
        unsure |= opinions.unfamiliarity(logits) > thresholds.max_unfamiliarity
    return np.column_stack([right, ~right & ~unsure, unsure])


def few_labels(strategy: Frozen, targets: NDArray[np.int64], groups: NDArray[np.str_], seed: int) -> list[dict[str, float]]:
    """The learning curve: accuracy on the other documents, by the number of documents labelled, over seeded draws.

    Groups are (N,), the document of each image. The zero-shot experts weigh what they do before any labels are held out.
    """
    names, random = np.unique(groups).tolist(), Random(seed)
    sizes = sorted({max(2, round(share * len(names))) for share in SHARES})
    return [_point(strategy, targets, groups, [random.sample(names, size) for _ in range(DRAWS)]) for size in sizes]


def _point(strategy: Frozen, targets: NDArray[np.int64], groups: NDArray[np.str_], draws: list[list[str]]) -> dict[str, float]:
    chosen = [np.isin(groups, draw) for draw in draws]
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
