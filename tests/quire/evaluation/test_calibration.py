import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from quire.evaluation.calibration import bins_of, expected_calibration_error
from quire.evaluation.curves import reliability, risk_coverage
from tests.quire.evaluation.rows import predictions


def test_bins_hold_equally_many_images_and_never_under_fifteen() -> None:
    draws = np.random.default_rng(0)
    assert [len(held) for held in bins_of(draws.uniform(size=200))] == [20] * 10
    assert [len(held) for held in bins_of(draws.uniform(size=45))] == [15] * 3
    assert [len(held) for held in bins_of(draws.uniform(size=20))] == [20]
    assert [len(held) for held in bins_of(draws.uniform(size=3))] == [3]


def test_equals_lie_in_one_bin() -> None:
    """Else the figure would hang on the order of the images."""
    assert [held.tolist() for held in bins_of(np.array([1.0, 0.4] * 15))] == [list(range(1, 30, 2)), list(range(0, 30, 2))]
    assert [len(held) for held in bins_of(np.array([0.4] * 10 + [1.0] * 190))] == [10, 190]


def test_calibration_error_by_hand() -> None:
    # thirty images in two bins: mean confidence 0.65, all wrong; mean confidence 0.95, all right
    confidence, correct = np.array([0.65] * 15 + [0.95] * 15), np.array([False] * 15 + [True] * 15)
    assert expected_calibration_error(confidence, correct) == pytest.approx((0.65 + 0.05) / 2)
    assert expected_calibration_error(confidence, ~correct) == pytest.approx((0.35 + 0.95) / 2)


def test_the_bins_are_those_of_scikit_learn() -> None:
    draws = np.random.default_rng(0)
    confidence = draws.uniform(size=500)
    right = draws.uniform(size=500) < confidence
    bins = reliability(predictions(confidence.tolist(), right.tolist()))
    share, mean = calibration_curve(right, confidence, n_bins=10, strategy="quantile")
    assert [each["accuracy"]["value"] for each in bins] == pytest.approx(share.tolist(), abs=1e-6)
    assert [each["confidence"] for each in bins] == pytest.approx(mean.tolist(), abs=1e-6)
    assert all(each["accuracy"]["low"] < each["accuracy"]["value"] < each["accuracy"]["high"] for each in bins)
    assert sum(each["images"] for each in bins) == 500


def test_risk_rises_with_coverage_where_the_least_sure_are_wrong() -> None:
    curve = risk_coverage(predictions([0.6, 0.9, 0.8, 0.7], [False, True, True, True]), 0.9)
    assert [(row["min_confidence"], row["coverage"], row["risk"]) for row in curve] == [
        (0.9, 0.25, 0), (0.8, 0.5, 0), (0.7, 0.75, 0), (0.6, 1, 0.25)
    ]  # fmt: skip
    assert curve[0]["upper_bound"] == pytest.approx(0.9)  # one right answer: (1 - bound) = 0.1
    assert len(risk_coverage(predictions([0.9] * 1000, [True] * 1000), 0.9)) == 200
