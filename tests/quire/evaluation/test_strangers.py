"""Scores for strangers. Marked, for PyTorch takes seconds to import."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.quire.training.test_strategies import one_thread

if TYPE_CHECKING:
    from quire.training.strategies import Frozen

pytestmark = pytest.mark.pipeline
__all__ = ["one_thread"]  # the fixture

GROUPS = {"a": ["281 tabby", "282 tiger cat"], "b": ["151 Chihuahua", "152 Japanese spaniel"], "c": "background"}
TARGETS = np.repeat([0, 1, 2], 40)
CLUSTERS = np.repeat(np.arange(6), 20)  # two of each label


def planted() -> "Frozen":
    """120 images in feature space; the backbone gives a cluster's own class 0.9, the rest to what no label names."""
    from quire.training.strategies import Frozen, Plan
    from quire.training.zero_shot import zero_shot

    draws = np.random.default_rng(0)
    features = draws.random((3, 60))[TARGETS] + 0.8 * draws.random((6, 60))[CLUSTERS] + 0.2 * draws.random((120, 60))
    probabilities = np.full((120, 1000), 0.1 / 999)
    probabilities[np.arange(120), np.array([281, 282, 151, 152, 0, 1])[CLUSTERS]] = 0.9
    experts = zero_shot(GROUPS, ["a", "b", "c"])  # type: ignore[arg-type]
    return Frozen(Plan(3, 2, 0.01, 0.01, 0.99, experts), features, probabilities)


def parts() -> list[NDArray[np.bool_]]:
    return [np.equal(CLUSTERS, cluster) for cluster in range(6)]


def test_what_uses_both_tells_strangers_from_new_kinds_that_the_backbone_knows() -> None:
    from quire.evaluation.strangers import SCORES, compare_scores
    from quire.training.cross_validation import out_of_fold

    strategy, documents = planted(), np.arange(120)
    held_out = out_of_fold(strategy, TARGETS, np.arange(120) % 4)
    found = compare_scores(strategy, TARGETS, documents, parts(), held_out, 0.99)
    assert list(found) == list(SCORES)
    served, distance = found["distance · (1 − mass)"], found["distance"]
    assert served["auroc_known"] > 0.99
    assert found["distance where the mass is below ½"]["unfamiliar_known"] == 0
    assert distance["unfamiliar_known"] == 1  # new kinds are far from the training images, too
    assert served["unfamiliar_strangers"] == 1
    assert found["1 − mass, and energy over the label's classes"]["auroc_unknown"] < 0.9  # which knows neither


def test_there_is_nothing_to_compare_without_zero_shot_experts() -> None:
    from dataclasses import replace

    from quire.evaluation.strangers import compare_scores
    from quire.training.cross_validation import out_of_fold

    strategy = planted()
    strategy = replace(strategy, plan=replace(strategy.plan, experts=None))
    held_out = out_of_fold(strategy, TARGETS, np.arange(120) % 4)
    assert compare_scores(strategy, TARGETS, np.arange(120), parts(), held_out, 0.99) == {}


def test_classes_that_are_taken_away_leave_their_probability_to_the_others() -> None:
    from quire.evaluation.strangers import _renormalized, _without

    left = _renormalized(np.array([[0.5, 0.3, 0.2]]), np.array([0]))
    assert left[0] == pytest.approx([0, 0.6, 0.4])
    strategy = planted()
    taken = _without(strategy, TARGETS, CLUSTERS == 0)
    assert not taken[:, 281].any()  # what the backbone sees in that cluster
    assert taken[:, 282].any()
    assert taken.sum(1) == pytest.approx(1)


def test_a_model_that_does_not_know_a_label_calls_its_images_by_another() -> None:
    from quire.evaluation.strangers import _stranger

    asked = _stranger(planted(), TARGETS, 0)
    assert len(asked.distance) == 40
    assert (asked.mass < 0.02).all()  # the backbone says nothing for label b either
    assert (asked.largest <= asked.mass).all()
    assert (asked.distance > 0).all()


def test_no_table_where_no_named_label_has_a_cluster_to_leave_out() -> None:
    from quire.evaluation.strangers import compare_scores
    from quire.training.cross_validation import out_of_fold

    strategy = planted()
    held_out = out_of_fold(strategy, TARGETS, np.arange(120) % 4)
    assert compare_scores(strategy, TARGETS, np.arange(120), parts()[4:], held_out, 0.99) == {}
