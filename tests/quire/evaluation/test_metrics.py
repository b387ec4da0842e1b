from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from quire.evaluation.metrics import SetFigures, bootstrap, class_figures, confusion, confusions, describe, share
from tests.quire.evaluation.rows import predictions


def test_a_share_counts_documents() -> None:
    """20 images, five wrong: in documents of their own they tell more than where one document holds all five."""
    wrong = np.arange(20) < 5
    alone, together = share(wrong), share(wrong, np.arange(20) // 5)
    assert alone["value"] == together["value"] == 0.25
    assert together["high"] - together["low"] > 1.3 * (alone["high"] - alone["low"])
    assert share(np.zeros(0, bool)) == {"value": 0.0, "low": 0.0, "high": 1.0}


def test_figures_of_a_class_are_scikit_learns() -> None:
    draws = np.random.default_rng(3)
    found = replace(predictions([0.9] * 60, [True] * 60), targets=draws.integers(0, 3, 60), predicted=draws.integers(0, 3, 60))
    expected = precision_recall_fscore_support(found.targets, found.predicted, labels=range(3))[:3]
    figures = class_figures(found, ["a", "b", "c"])
    for number, label in enumerate("abc"):
        of_class = figures[label]
        values = [of_class["precision"]["value"], of_class["recall"]["value"], of_class["f1"]["value"]]
        assert values == pytest.approx([each[number] for each in expected], abs=1e-6)
        assert of_class["f1"]["low"] < of_class["f1"]["value"] < of_class["f1"]["high"]


def test_f1_of_a_perfect_class_has_an_interval() -> None:
    figure = class_figures(predictions([0.9] * 10, [True] * 10), ["cat", "dog"])["cat"]["f1"]
    assert figure["value"] == figure["high"] == 1
    assert 0.4 < figure["low"] < 0.9


def test_bootstrap_resamples_documents_not_images() -> None:
    right = [number // 2 % 2 == 0 for number in range(40)]  # both images of a document right, or wrong
    paired = predictions([0.9] * 40, right)
    alone = replace(paired, documents=np.arange(40))
    widths = [bootstrap(part, lambda some: float(some.correct.mean()), seed=0) for part in (paired, alone)]
    assert widths[0]["high"] - widths[0]["low"] > 1.2 * (widths[1]["high"] - widths[1]["low"])


def test_bootstrap_keeps_a_documents_images_together_in_any_order() -> None:
    mixed = predictions([0.9] * 8, [True, False] * 4, documents=[1, 0] * 4)  # document b is right, document a wrong
    seen = set()
    bootstrap(mixed, lambda some: seen.add(float(some.correct.mean())) or 0.0, seed=0)  # type: ignore[func-returns-value]
    assert seen == {0.0, 0.5, 1.0}


def test_description_by_hand() -> None:
    answered = [True, True, False, True]
    figures = describe(predictions([0.95, 0.95, 0.6, 0.6], [True, True, False, True], answered), ["cat", "dog"], seed=0)
    assert (figures["images"], figures["documents"]) == (4, 2)
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
    pairs = [(0, 0)] * 5 + [(0, 1)] + [(1, 0)] * 3 + [(1, 1)] + [(2, 2)] * 10  # label, prediction
    targets, guesses = np.array(pairs).T
    found = confusions(replace(predictions([0.9] * 20, [True] * 20), targets=targets, predicted=guesses), ["a", "b", "c"])
    assert [(pair["label"], pair["prediction"], pair["count"], pair["share"]["value"]) for pair in found] == [
        ("b", "a", 3, 0.75),
        ("a", "b", 1, pytest.approx(1 / 6, abs=1e-6)),
    ]
    targets, guesses = np.divmod(np.arange(900), 30)
    many = replace(predictions([0.9] * 900, [True] * 900), targets=targets, predicted=guesses)
    assert len(confusions(many, [str(number) for number in range(30)])) == 20


def test_every_figure_counts_documents() -> None:
    """30 images of six documents, which are right or wrong together, or unsure."""
    number = np.arange(30)
    found = predictions(
        (0.6 + number / 100).tolist(), (number // 5 != 2).tolist(), (number // 5 != 4).tolist(), (number // 5).tolist()
    )
    figures, documents = describe(found, ["cat", "dog"], seed=0), found.documents
    right, given = found.correct, found.answered
    assert set(figures) == set(SetFigures.__annotations__)
    assert figures["accuracy"] == share(right, documents) != share(right)
    assert figures["answered"] == share(given, documents) != share(given)
    assert figures["answered_accuracy"] == share(right[given], documents[given]) != share(right[given])
    assert figures["outcome"] == {
        "right": share(right, documents), "decided_wrong": share(given & ~right, documents), "unsure": share(~given, documents)
    }  # fmt: skip
    assert figures["classes"]["cat"]["precision"] == share(right, documents)
    assert figures["confusions"][0]["share"] == share(np.ones(5, bool), np.zeros(5, np.int64))  # all five of one document
    assert figures == describe(found, ["cat", "dog"], seed=0)
    assert figures["calibration_error"] != describe(found, ["cat", "dog"], seed=1)["calibration_error"]
    assert figures["brier_score"] != describe(found, ["cat", "dog"], seed=1)["brier_score"]
    value = share(number < 1)["value"]
    assert value == 0.033333  # six decimals
