"""Which score tells strangers from new kinds of what is known: by images whose kind neither the head nor the backbone has seen.

A *stranger* is an image of a label that is left out whole: no training image is of it, and the backbone's classes of that label are
taken away, its probabilities shared out to the others. A *new kind* is a cluster of a label's images, left out with all documents
that hold one; it is no stranger, for its label stays. It is asked twice: as the backbone knows it, and with those classes taken
away that it sees in that cluster. The served score is chosen by this (docs/choice_of_default.md), and shown in the model card.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from quire.evaluation.protocols import in_other_documents
from quire.training.cross_validation import HeldOut, ask
from quire.training.familiarity import known
from quire.training.heads import Floats
from quire.training.pooling import START, Opinions
from quire.training.proportions import Documents
from quire.training.rows import Matrix
from quire.training.strategies import Frozen
from quire.training.zero_shot import ZeroShot

MOST_LABELS = 20  # that are left out, evenly spread
SEEN = 0.95  # of a cluster's mass of its label lies in the classes that the backbone sees in it


@dataclass(frozen=True)
class Asked:
    """Images as the label that they are called: all (M,)."""

    distance: Floats  # to its training images
    mass: Floats  # what the backbone gives to all its classes
    largest: Floats  # to one of them


SCORES: dict[str, Callable[[Asked], Floats]] = {
    "distance · (1 − mass)": lambda asked: asked.distance * (1 - asked.mass),
    "distance": lambda asked: asked.distance,
    "1 − mass, and energy over the label's classes": lambda asked: 1 - asked.mass,
    "distance where the mass is below ½": lambda asked: asked.distance * (asked.mass < 0.5),
    "the lesser of distance and 1 − mass": lambda asked: np.minimum(asked.distance, 1 - asked.mass),
    "distance · (1 − largest class)": lambda asked: asked.distance * (1 - asked.largest),
}


def compare_scores(
    strategy: Frozen, targets: NDArray[np.int64], documents: Documents, parts: Sequence[NDArray[np.bool_]], held_out: HeldOut,
    quantile: float,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Of each score the AUROC and, at the `quantile` of held-out images, how many of each sort it calls unfamiliar.

    Targets and documents are (N,), `parts` the clusters, (N,) bool each. Nothing without zero-shot experts, two named labels and a
    cluster of one of these.
    """
    background = strategy.plan.background
    named = [label for label in np.unique(targets).tolist() if label != background]
    if strategy.plan.experts is None or background is None or len(named) < 2:
        return {}
    of_named = targets != background
    ordinary = _asked(held_out.opinions.of(of_named), strategy, strategy.probabilities[of_named], targets[of_named])
    kinds = [out for out in parts if targets[out][0] != background]
    if not kinds:  # too few images of each named label to leave some out
        return {}
    intact = _joined([_new_kind(strategy, targets, documents, out, strategy.probabilities) for out in kinds])
    taken = [_new_kind(strategy, targets, documents, out, _without(strategy, targets, out)) for out in kinds]
    strangers = _joined([_stranger(strategy, targets, label) for label in named[:: -(-len(named) // MOST_LABELS)]])
    return {name: _judged(score, ordinary, intact, _joined(taken), strangers, quantile) for name, score in SCORES.items()}


def _judged(
    score: Callable[[Asked], Floats], ordinary: Asked, intact: Asked, taken: Asked, strangers: Asked, quantile: float
) -> dict[str, float]:
    limit, strange = np.quantile(score(ordinary), quantile), score(strangers)
    found = {}
    for name, others in {"known": intact, "unknown": taken}.items():
        calm = np.concatenate([score(ordinary), score(others)])
        truth = np.repeat([0, 1], [len(calm), len(strange)])
        found[f"auroc_{name}"] = round(float(roc_auc_score(truth, np.concatenate([calm, strange]))), 6)
        found[f"unfamiliar_{name}"] = round(float((score(others) > limit).mean()), 6)
    return found | {"unfamiliar_strangers": round(float((strange > limit).mean()), 6)}


def _asked(opinions: Opinions, strategy: Frozen, probabilities: Matrix, labels: NDArray[np.int64]) -> Asked:
    """Images as their `labels`, (M,)."""
    assert strategy.plan.experts is not None
    rows, member = np.arange(len(labels)), strategy.plan.experts.membership.numpy().astype(bool)  # (K, C)
    masses = known(torch.from_numpy(opinions.zero_shot)).numpy()
    largest = np.asarray(probabilities).max(1, where=member[:, labels].T, initial=0)
    return Asked(opinions.distances[rows, labels], masses[rows, labels], largest)


def _new_kind(
    strategy: Frozen, targets: NDArray[np.int64], documents: Documents, out: NDArray[np.bool_], probabilities: Matrix
) -> Asked:
    """The images `out` as their label, by a model that saw no document of theirs."""
    asked = replace(strategy, probabilities=probabilities)
    return _asked(ask(asked, targets, in_other_documents(out, documents), out), asked, probabilities[out], targets[out])


def _without(strategy: Frozen, targets: NDArray[np.int64], out: NDArray[np.bool_]) -> Floats:
    """The probabilities, (N, K), without those classes of a cluster's label that the backbone sees in it."""
    assert strategy.plan.experts is not None
    mean = np.asarray(strategy.probabilities[out]).mean(0) * strategy.plan.experts.membership.numpy()[:, targets[out][0]]
    order = np.argsort(-mean, kind="stable")
    return _renormalized(strategy.probabilities, order[: int(np.searchsorted(mean[order].cumsum(), SEEN * mean.sum())) + 1])


def _renormalized(probabilities: Matrix, taken: NDArray[np.int64]) -> Floats:
    left = np.array(probabilities, np.float64)  # a copy
    left[:, taken] = 0
    return np.asarray(left / np.maximum(left.sum(1, keepdims=True), 1e-9))


def _stranger(strategy: Frozen, targets: NDArray[np.int64], label: int) -> Asked:
    """The images of `label` as the likeliest of the other named labels, by a model that knows nothing of it."""
    assert strategy.plan.experts is not None
    out, member = targets == label, strategy.plan.experts.membership.numpy().astype(bool)
    probabilities = _renormalized(strategy.probabilities, np.flatnonzero(member[:, label]))
    left = [other for other in range(strategy.plan.classes) if other != label]
    background = left.index(strategy.plan.background) if strategy.plan.background is not None else None
    experts = ZeroShot([np.flatnonzero(member[:, other]).tolist() for other in left], background, len(member))
    plan = replace(strategy.plan, classes=len(left), background=background, experts=experts)
    asked = replace(strategy, plan=plan, probabilities=probabilities)
    opinions = ask(asked, np.searchsorted(left, targets), ~out, out)
    logits = opinions.head + (START[1:, None] * opinions.zero_shot).sum(1)
    logits[:, background] = -np.inf
    return _asked(opinions, asked, probabilities[out], logits.argmax(1))


def _joined(parts: Sequence[Asked]) -> Asked:
    return Asked(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("distance", "mass", "largest")))
