import numpy as np
import pytest

from quire.command import BadInput
from quire.evaluation.baselines import majority, size_only
from quire.evaluation.gate import judge
from quire.evaluation.metrics import Predictions, bootstrap, confusion, describe, expected_calibration_error, f1, proportion


def predictions(confidences: list[float], correct: list[bool]) -> Predictions:
    """Answers of two classes, all for class 0, in documents of two images."""
    probabilities = np.array([[confidence, 1 - confidence] for confidence in confidences])
    targets = np.array([0 if right else 1 for right in correct])
    return Predictions(probabilities, targets, np.array([f"doc{number // 2}" for number in range(len(correct))]))


def test_wilson_interval_of_a_perfect_small_test_set() -> None:
    z = 1.959964
    assert proportion(15, 15) == {"value": 1.0, "low": pytest.approx(15 / (15 + z**2), abs=1e-6), "high": 1.0}
    assert proportion(0, 0) == {"value": 0.0, "low": 0.0, "high": 1.0}


def test_f1_of_a_perfect_class_has_an_interval() -> None:
    figure = f1(hits=5, misses=0, seed=0)
    assert figure["value"] == figure["high"] == 1
    assert 0.5 < figure["low"] < 0.9


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    figure = f1(hits=60, misses=40, seed=0)
    assert figure["value"] == 0.75
    assert figure["low"] < 0.75 < figure["high"]


def test_calibration_error_by_hand() -> None:
    # bin 0.6–0.7: confidence 0.65, all wrong; bin 0.9–1: confidence 0.95, all right
    assert expected_calibration_error(predictions([0.65, 0.65, 0.95, 0.95], [False, False, True, True])) == pytest.approx(0.35)


def test_bootstrap_resamples_documents_not_images() -> None:
    paired = predictions([0.9] * 40, [number // 2 % 2 == 0 for number in range(40)])  # both images of a document right, or wrong
    alone = Predictions(paired.probabilities, paired.targets, np.arange(40).astype(str))
    widths = [bootstrap(p, lambda q: float(q.correct.mean()), seed=0) for p in (paired, alone)]
    assert widths[0]["high"] - widths[0]["low"] > 1.2 * (widths[1]["high"] - widths[1]["low"])


def test_description_counts_answers_given() -> None:
    figures = describe(predictions([0.95, 0.95, 0.6, 0.6], [True, True, False, True]), ["cat", "dog"], 0.8, seed=0)
    assert figures["accuracy"]["value"] == 0.75
    assert figures["answered"]["value"] == 0.5
    assert figures["answered_accuracy"]["value"] == 1
    assert figures["confusion"]["dog"]["cat"]["count"] == 1
    assert figures["classes"]["cat"]["recall"]["value"] == 1
    assert figures["classes"]["cat"]["precision"]["value"] == 0.75
    assert figures["lowest_recall"] == 0  # the one dog was called a cat


def test_the_worst_class_is_the_worst_of_those_that_have_images() -> None:
    assert describe(predictions([0.9, 0.8], [True, True]), ["cat", "dog"], 0.8, seed=0)["lowest_recall"] == 1


def test_confusion_has_a_row_for_each_label() -> None:
    assert confusion(predictions([0.9, 0.9, 0.2], [True, False, False]), 2).tolist() == [[1, 0], [1, 1]]


def test_the_size_baseline_sees_a_shortcut() -> None:
    random = np.random.default_rng(0)
    targets, fold_of = random.integers(0, 2, 60), np.arange(60) % 5
    telling = np.column_stack([300 + 200 * targets, np.full(60, 400)]).astype(float)
    assert size_only(telling, targets, fold_of, seed=0)["value"] == 1
    assert size_only(random.uniform(100, 500, (60, 2)), targets, fold_of, seed=0)["high"] < 0.8
    assert majority(np.array([0, 0, 0, 1]), np.arange(4))["value"] == 0.75


def test_the_gate_names_what_fails() -> None:
    metrics = {"test": {"accuracy": 0.9}, "margin": 0.2}
    assert judge(metrics, {"test.accuracy": 0.9}, {"margin": 0.3})["passed"]
    gate = judge(metrics, {"test.accuracy": 0.95}, {})
    assert not gate["passed"]
    assert gate["checks"][0] == {"metric": "test.accuracy", "value": 0.9, "bound": "at least", "threshold": 0.95, "passed": False}
    with pytest.raises(BadInput, match=r"evaluate.at_least: test.acuracy is no figure of metrics.json"):
        judge(metrics, {"test.acuracy": 0.9}, {})
