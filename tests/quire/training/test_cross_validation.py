"""Out-of-fold predictions. Marked, for PyTorch takes seconds to import."""

import numpy as np
import pytest

from tests.quire.training.test_strategies import FOLDS, one_thread, planted, settings

pytestmark = pytest.mark.pipeline
__all__ = ["one_thread"]  # the fixture


def test_predictions_stand_in_the_order_of_the_images() -> None:
    from quire.training.cross_validation import out_of_fold

    strategy, targets, _ = planted()
    held_out = out_of_fold(strategy, targets, FOLDS)
    assert (held_out.logits.argmax(1) == targets).all()
    assert held_out.probabilities.sum(1) == pytest.approx(1)


def test_a_label_that_one_fold_alone_holds_spoils_no_other_answer() -> None:
    from quire.training.cross_validation import out_of_fold

    strategy, targets, _ = planted(background=2)
    folds = np.where(targets == 1, 0, np.where(FOLDS == 0, 1, FOLDS))  # fold 0 holds all of label 1, and nothing else
    held_out = out_of_fold(strategy, targets, folds)
    assert np.isfinite(held_out.logits).all()
    assert (held_out.logits.argmax(1) == targets)[targets != 1].all()
    thresholds = settings({}).selective.thresholds(held_out.probabilities, held_out.unfamiliarity, targets, np.arange(len(targets)))
    assert np.isfinite([thresholds.min_confidence, thresholds.max_unfamiliarity, thresholds.risk]).all()
