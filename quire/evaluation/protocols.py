"""What the labels alone can tell of images nobody labelled, by fitting heads without some of them.

Nothing of what is held out touches the head, the pooling, the temperature or the thresholds.
"""

from random import Random
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import softmax
from sklearn.cluster import AgglomerativeClustering
from torch import Tensor

from quire.evaluation.metrics import proportion
from quire.items.groups import Group
from quire.training.cross_validation import TEST, HeldOut, Pooling, ask, calibrated, out_of_fold
from quire.training.encoders import FEATURES
from quire.training.heads import fit_temperature
from quire.training.selective import choose_threshold
from quire.training.strategies import Recipe

Share = Annotated[float, Field(gt=0, lt=1)]
KINDS = 4  # of each label
FEWEST, DRAWS = 10, 5  # images that make kinds of a label; draws of documents for a point of the learning curve


class Decision(BaseModel):
    """When an answer is given: how held-out predictions become a temperature and two thresholds.

    At most `max_risk` of the answers wrong, shown with `confidence`, and none that is itself likelier wrong than
    `max_doubt`; `familiar` is the share of held-out images that are not called unfamiliar.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_risk: Share
    confidence: Share
    max_doubt: Share
    familiar: Share

    def thresholds(self, held_out: HeldOut, targets: NDArray[np.int64], fold_of: NDArray[np.int64]) -> dict[str, Any]:
        """Both thresholds and how they came about; the test set has no say."""
        others = fold_of != TEST
        held_out, targets, fold_of = held_out.of(others), targets[others], fold_of[others]
        probabilities = calibrated(held_out.logits, targets, fold_of)  # (N, C)
        correct = probabilities.argmax(1) == targets
        chosen = choose_threshold(probabilities.max(1), correct, self.max_risk, self.confidence, self.max_doubt)
        scored = held_out.unfamiliarity[held_out.unfamiliarity > 0]  # what is called the rest has no score
        return {
            "min_confidence": float(np.floor(chosen.min_confidence * 1e6) / 1e6),
            "max_unfamiliarity": round(float(np.quantile(scored, self.familiar)), 6) if len(scored) else 1.0,
            "temperature": round(fit_temperature(held_out.logits, targets), 6),
            "max_risk": self.max_risk,
            "confidence": self.confidence,
            "max_doubt": self.max_doubt,
            "familiar": self.familiar,
            "risk": round(chosen.risk, 6),
            "coverage": round(chosen.coverage, 6),
            "met": chosen.met,
            "images": len(correct),
        }


def kinds(inputs: Tensor, targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """A kind for each image, (N,) int64: clusters of each label's features by Ward's linkage on unit length."""
    unit = torch.nn.functional.normalize(inputs[:, :FEATURES], dim=1).numpy()
    found = np.zeros(len(targets), np.int64)
    for label in np.unique(targets):
        own = targets == label
        clusters = AgglomerativeClustering(KINDS).fit_predict(unit[own]) if own.sum() >= FEWEST else 0
        found[own] = KINDS * label + clusters
    return found


def leave_one_kind_out(
    recipe: Recipe,
    inputs: Tensor,
    targets: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    decision: Decision,
    held_out: HeldOut | None = None,
) -> dict[str, Any]:
    """Each kind answered by a model that saw none of it: with prior and score, and with the head alone.

    For each kind the thresholds are set by predictions of their own. Where fits take too long for that, `held_out` are
    predictions for all: of those for the other kinds they are set then, by models that had seen the kind.
    """
    kind_of = kinds(inputs, targets)
    variants = {"with": (recipe, inputs, held_out)}
    if recipe.prior:
        variants["without"] = (recipe.alone(), inputs[:, :FEATURES], None)
    report: dict[str, Any] = {"kinds": len(np.unique(kind_of))}
    for name, (variant, given, made) in variants.items():
        outcomes = []
        for kind in np.unique(kind_of):
            out = kind_of == kind
            judged = made.of(~out) if made else out_of_fold(variant, given[~out], targets[~out], fold_of[~out])
            settings = decision.thresholds(judged, targets[~out], fold_of[~out])
            outcomes.append(_outcomes(out, variant, given, targets, judged.pooling, settings))
        right, wrong, unsure = np.concatenate(outcomes).sum(0)
        counts = {"right": right, "decided_wrong": wrong, "unsure": unsure}
        report[name] = {part: proportion(int(count), len(targets)) for part, count in counts.items()}
    return report


def _outcomes(
    out: NDArray[np.bool_],
    recipe: Recipe,
    inputs: Tensor,
    targets: NDArray[np.int64],
    pooling: Pooling,
    settings: dict[str, Any],
) -> NDArray[np.bool_]:
    """Right, decided wrong, unsure, (M, 3) bool, for the images `out`, by a model that is fitted on the others."""
    said = ask(recipe, inputs, targets, ~out, out)
    logits = pooling.logits(said)
    probabilities = softmax(logits / settings["temperature"], axis=1)
    right = probabilities.argmax(1) == targets[out]
    unsure = probabilities.max(1) < settings["min_confidence"]
    if recipe.prior:
        unsure |= said.unfamiliarity(logits) > settings["max_unfamiliarity"]
    return np.column_stack([right, ~right & ~unsure, unsure])


def few_labels(
    recipe: Recipe, inputs: Tensor, targets: NDArray[np.int64], groups: list[Group], keys: list[str], seed: int
) -> list[dict[str, float]]:
    """The learning curve: accuracy on the other documents by the number of documents labelled, over seeded draws.

    The prior weighs what it does before any labels are seen.
    """
    row_of = {key: row for row, key in enumerate(keys)}
    rows = [[row_of[key] for key in group] for group in groups]
    sizes = sorted({max(2, round(share * len(groups))) for share in (0.1, 0.2, 0.3, 0.45, 0.6, 0.8)})
    random, curve = Random(seed), []
    for size in sizes:
        accuracies, images = [], []
        for _ in range(DRAWS):
            train = np.zeros(len(targets), bool)
            train[[row for number in random.sample(range(len(groups)), size) for row in rows[number]]] = True
            head, read = recipe.fit(inputs, targets, train)
            with torch.inference_mode():
                guesses = head(read[~train]).argmax(1).numpy()
            accuracies.append(float((guesses == targets[~train]).mean()))
            images.append(int(train.sum()))
        curve.append(
            {
                "documents": size,
                "images": round(float(np.mean(images)), 1),
                "accuracy": round(float(np.mean(accuracies)), 6),
                "lowest": round(min(accuracies), 6),
                "highest": round(max(accuracies), 6),
            }
        )
    return curve
