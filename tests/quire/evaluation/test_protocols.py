"""What labels alone can tell. Marked, for PyTorch takes seconds to import."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from quire.evaluation.protocols import Decision
    from quire.training.strategies import Recipe

pytestmark = pytest.mark.pipeline

EACH = 6  # images of a kind
FOLDS = np.arange(3 * 4 * EACH) % 3


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    from quire.training.strategies import limited_to

    with limited_to(1):
        yield


def planted(strays: bool = False) -> tuple["Tensor", NDArray[np.int64], NDArray[np.int64]]:
    """Inputs (72, 1280), labels and kinds of three labels with four kinds each.

    A kind lies near its label's centre; of the first label, with `strays`, one kind lies near the second label's.
    """
    import torch

    draws = torch.Generator().manual_seed(0)
    kinds = np.repeat(np.arange(12), EACH)
    centres = torch.rand(3, 1280, generator=draws).repeat_interleave(4, 0)
    if strays:
        centres[3] = centres[4]
    offsets = 0.4 * torch.rand(12, 1280, generator=draws)
    inputs = centres[kinds] + offsets[kinds] + 0.1 * torch.rand(len(kinds), 1280, generator=draws)
    return inputs, kinds // 4, kinds


def recipe() -> "Recipe":
    from quire.training.heads import Decay
    from quire.training.strategies import Recipe

    return Recipe(3, None, None, Decay(0.01, 0.01, 0.1), 0.99)


def decision() -> "Decision":
    from quire.evaluation.protocols import Decision

    return Decision(max_risk=0.05, confidence=0.9, max_doubt=0.2, familiar=0.99)


def test_kinds_are_the_clusters_of_each_labels_images() -> None:
    from quire.evaluation.protocols import kinds

    inputs, targets, planted_kinds = planted()
    found = kinds(inputs, targets)
    assert len(set(zip(found, planted_kinds, strict=True))) == len(set(found)) == 12


def test_a_kind_like_another_labels_images_is_wrong_only_where_it_is_left_out() -> None:
    from quire.evaluation.protocols import leave_one_kind_out
    from quire.training.cross_validation import out_of_fold

    inputs, targets, _ = planted(strays=True)
    crossed = out_of_fold(recipe(), inputs, targets, FOLDS)
    assert (crossed.logits.argmax(1) == targets).all()
    report = leave_one_kind_out(recipe(), inputs, targets, FOLDS, decision())
    assert report["kinds"] == 12
    assert report["with"]["right"]["value"] == pytest.approx(11 / 12)
    assert 0 < report["with"]["decided_wrong"]["value"] <= 1 / 12


def test_nothing_of_a_kind_that_is_left_out_is_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out images are turned into nonsense: were one of them seen, some answer for the others would change."""
    from quire.training.cross_validation import ask

    inputs, targets, kinds = planted()
    out = kinds == 0
    said = ask(recipe(), inputs, targets, ~out, out)
    spoiled, wrong = inputs.clone(), targets.copy()
    spoiled[out], wrong[out] = -100, 2
    again = ask(recipe(), spoiled, wrong, ~out, ~out)
    before = ask(recipe(), inputs, targets, ~out, ~out)
    assert np.array_equal(again.head, before.head)
    assert np.array_equal(again.distances, before.distances)
    assert not np.array_equal(said.head, ask(recipe(), spoiled, wrong, ~out, out).head)


def test_predictions_that_were_made_for_all_kinds_can_set_the_thresholds() -> None:
    from quire.evaluation.protocols import leave_one_kind_out
    from quire.training.cross_validation import out_of_fold

    inputs, targets, _ = planted()
    made = out_of_fold(recipe(), inputs, targets, FOLDS)
    report = leave_one_kind_out(recipe(), inputs, targets, FOLDS, decision(), made)
    assert report["with"]["right"]["value"] == 1


def test_the_learning_curve_rises_with_the_documents_and_hangs_on_the_seed_alone() -> None:
    from quire.evaluation.protocols import few_labels

    inputs, targets, _ = planted()
    keys = [f"{number:03}" for number in range(len(targets))]
    groups = [tuple(keys[first : first + 3]) for first in range(0, 72, 3)]  # two documents show two labels at most
    curve = few_labels(recipe(), inputs, targets, groups, keys, seed=1)
    assert [row["documents"] for row in curve] == [2, 5, 7, 11, 14, 19]
    assert [row["images"] for row in curve] == [3 * row["documents"] for row in curve]
    assert curve[0]["lowest"] < curve[-1]["lowest"] == curve[-1]["accuracy"] == 1
    assert curve == few_labels(recipe(), inputs, targets, groups, keys, seed=1)


def test_nothing_that_is_set_hangs_on_the_test_set() -> None:
    """Its images and labels are turned into nonsense: what is fitted and set stays, and only its own predictions change."""
    from quire.training.cross_validation import TEST, calibrated, out_of_fold

    inputs, targets, _ = planted(strays=True)
    folds = np.where(np.arange(len(targets)) % 7 == 0, TEST, FOLDS)
    tested = folds == TEST
    spoiled, wrong = inputs.clone(), targets.copy()
    spoiled[tested], wrong[tested] = -100, (targets[tested] + 1) % 3
    before, after = out_of_fold(recipe(), inputs, targets, folds), out_of_fold(recipe(), spoiled, wrong, folds)
    assert decision().thresholds(before, targets, folds) == decision().thresholds(after, wrong, folds)
    assert np.array_equal(before.pooling.weights, after.pooling.weights)
    shares, spoiled_shares = calibrated(before.logits, targets, folds), calibrated(after.logits, wrong, folds)
    assert np.array_equal(shares[~tested], spoiled_shares[~tested])
    assert not np.array_equal(shares[tested], spoiled_shares[tested])


def test_a_label_that_one_fold_alone_holds_spoils_no_other_answer() -> None:
    from quire.training.cross_validation import out_of_fold
    from quire.training.heads import Decay
    from quire.training.strategies import Recipe

    inputs, targets, _ = planted()
    folds = np.where(targets == 1, 0, np.where(FOLDS == 0, 1, FOLDS))  # fold 0 holds all of label 1, and nothing else
    held_out = out_of_fold(Recipe(3, None, 2, Decay(0.01, 0.01, 0.1), 0.99), inputs, targets, folds)
    assert np.isfinite(held_out.logits).all()
    assert (held_out.logits.argmax(1) == targets)[targets != 1].all()
    assert np.isfinite(list(decision().thresholds(held_out, targets, folds).values())).all()
