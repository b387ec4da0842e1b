from dataclasses import replace

import numpy as np
import pytest

from quire.evaluation.metrics import bootstrap, confusion, confusions, describe, f1_figure, proportion
from tests.quire.evaluation.rows import predictions


def test_wilson_interval_of_a_perfect_small_test_set() -> None:
    z = 1.959964
    assert proportion(15, 15) == {"value": 1.0, "low": pytest.approx(15 / (15 + z**2), abs=1e-6), "high": 1.0}
    assert proportion(0, 0) == {"value": 0.0, "low": 0.0, "high": 1.0}


def test_f1_of_a_perfect_class_has_an_interval() -> None:
    figure = f1_figure(1.0, hits=5, misses=0, seed=0)
    assert figure["value"] == figure["high"] == 1
    assert 0.5 < figure["low"] < 0.9


def test_f1_lies_within_its_interval() -> None:
    figure = f1_figure(0.75, hits=60, misses=40, seed=0)
    assert figure["low"] == pytest.approx(0.68, abs=0.02)
    assert figure["high"] == pytest.approx(0.81, abs=0.02)


def test_bootstrap_resamples_documents_not_images() -> None:
    right = [number // 2 % 2 == 0 for number in range(40)]  # both images of a document right, or wrong
    paired = predictions([0.9] * 40, right)
    alone = replace(paired, groups=np.arange(40).astype(str))
    widths = [bootstrap(part, lambda some: float(some.correct.mean()), seed=0) for part in (paired, alone)]
    assert widths[0]["high"] - widths[0]["low"] > 1.2 * (widths[1]["high"] - widths[1]["low"])


def test_bootstrap_keeps_a_documents_images_together_in_any_order() -> None:
    mixed = predictions([0.9] * 8, [True, False] * 4, groups=["b", "a"] * 4)  # document b is right, document a wrong
    seen = set()
    bootstrap(mixed, lambda some: seen.add(float(some.correct.mean())) or 0.0, seed=0)  # type: ignore[func-returns-value]
    assert seen == {0.0, 0.5, 1.0}


def test_description_by_hand() -> None:
    answered = [True, True, False, True]
    figures = describe(predictions([0.95, 0.95, 0.6, 0.6], [True, True, False, True], answered), ["cat", "dog"], seed=0)
    assert figures["images"] == 4
    assert figures["accuracy"]["value"] == figures["answered"]["value"] == 0.75
    assert figures["answered_accuracy"]["value"] == 1
    assert figures["outcome"]["decided_wrong"]["value"] == 0  # the one that is wrong was not answered
    assert figures["brier_score"]["value"] == pytest.approx((2 * 2 * 0.05**2 + 2 * 0.6**2 + 2 * 0.4**2) / 4)
    assert figures["classes"]["cat"]["recall"]["value"] == 1
    assert figures["classes"]["cat"]["precision"]["value"] == 0.75
    assert figures["classes"]["cat"]["f1"]["value"] == pytest.approx(6 / 7, abs=1e-6)
    assert figures["macro_f1"] == pytest.approx(3 / 7, abs=1e-6)
    assert figures["worst_recall"] == 0  # the one dog was called a cat


def test_a_wrong_answer_that_is_given_is_decided_wrong() -> None:
    figures = describe(predictions([0.9, 0.9], [True, False]), ["cat", "dog"], seed=0)
    assert figures["outcome"]["decided_wrong"]["value"] == figures["answered_accuracy"]["value"] == 0.5


def test_the_worst_class_is_the_worst_of_those_that_have_images() -> None:
    assert describe(predictions([0.9, 0.8], [True, True]), ["cat", "dog"], seed=0)["worst_recall"] == 1


def test_confusion_has_a_row_for_each_label() -> None:
    assert confusion(predictions([0.9, 0.9], [True, False]), 3).tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_the_most_frequent_errors_are_listed_and_no_more_than_twenty() -> None:
    found = confusions(np.array([[5, 1, 0], [3, 1, 0], [0, 0, 9]]), ["a", "b", "c"])
    assert [(pair["label"], pair["prediction"], pair["count"], pair["share"]["value"]) for pair in found] == [
        ("b", "a", 3, 0.75),
        ("a", "b", 1, pytest.approx(1 / 6, abs=1e-6)),
    ]
    assert len(confusions(np.ones((30, 30), np.int64), [str(number) for number in range(30)])) == 20
