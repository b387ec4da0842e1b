"""Out-of-fold predictions. Marked, for PyTorch takes seconds to import."""

import numpy as np
import pytest

from tests.quire.training.test_strategies import FOLDS, one_thread, planted, settings, spoiled

pytestmark = pytest.mark.pipeline
__all__ = ["one_thread"]  # the fixture


def test_a_fold_sees_neither_itself_nor_the_test_set() -> None:
    from quire.training.cross_validation import TEST, seen_by

    folds = np.array([TEST, 0, 1, 1, 2])
    assert seen_by(1, folds).tolist() == [False, True, False, False, True]
    assert seen_by(TEST, folds).tolist() == [False, True, True, True, True]


def test_predictions_stand_in_the_order_of_the_images() -> None:
    from quire.training.cross_validation import out_of_fold

    strategy, targets, _ = planted()
    held_out = out_of_fold(strategy, targets, FOLDS)
    assert (held_out.logits.argmax(1) == targets).all()
    assert held_out.probabilities.sum(1) == pytest.approx(1)


def test_nothing_that_is_set_hangs_on_the_test_set() -> None:
    """Its images and labels are turned into nonsense: what is fitted and set stays, and only its own predictions change."""
    from quire.training.cross_validation import TEST, out_of_fold

    strategy, targets, _ = planted(strays=True)
    folds = np.where(np.arange(len(targets)) % 7 == 0, TEST, FOLDS)
    tested = folds == TEST
    before = out_of_fold(strategy, targets, folds)
    after = out_of_fold(spoiled(strategy, tested), np.where(tested, (targets + 1) % 3, targets), folds)
    assert np.array_equal(before.pooling.weights, after.pooling.weights)
    assert np.array_equal(before.logits[~tested], after.logits[~tested])
    assert not np.array_equal(before.logits[tested], after.logits[tested])


def test_a_label_that_one_fold_alone_holds_spoils_no_other_answer() -> None:
    from quire.training.cross_validation import out_of_fold

    strategy, targets, _ = planted(background=2)
    folds = np.where(targets == 1, 0, np.where(FOLDS == 0, 1, FOLDS))  # fold 0 holds all of label 1, and nothing else
    held_out = out_of_fold(strategy, targets, folds)
    assert np.isfinite(held_out.logits).all()
    assert (held_out.logits.argmax(1) == targets)[targets != 1].all()
    thresholds = settings({}).selective.thresholds(held_out.probabilities, held_out.unfamiliarity, targets)
    assert np.isfinite([thresholds.min_confidence, thresholds.max_unfamiliarity, thresholds.risk]).all()
