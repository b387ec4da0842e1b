"""What labels alone can tell. Marked, for PyTorch takes seconds to import."""

import numpy as np
import pytest

from tests.quire.training.test_strategies import FOLDS, one_thread, planted, settings

pytestmark = pytest.mark.pipeline
__all__ = ["one_thread"]  # the fixture


def test_clusters_are_those_of_each_labels_images() -> None:
    from quire.evaluation.protocols import NONE, clusters

    strategy, targets, planted_clusters = planted()
    found = clusters(strategy.features, targets)
    assert len(set(zip(found, planted_clusters, strict=True))) == len(set(found)) == 12
    few = np.arange(72) < 9
    assert set(clusters(strategy.features[few], targets[few])) == {NONE}  # too few of a label to tell clusters


def test_a_cluster_like_another_labels_images_is_wrong_only_where_it_is_left_out() -> None:
    from quire.evaluation.protocols import leave_one_cluster_out, left_out
    from quire.training.cross_validation import out_of_fold

    strategy, targets, _ = planted(strays=True)
    held_out = out_of_fold(strategy, targets, FOLDS)
    assert (held_out.logits.argmax(1) == targets).all()
    parts = left_out(strategy.features, targets, np.arange(72))
    report = leave_one_cluster_out(strategy, targets, FOLDS, np.arange(72), parts, settings({}).selective, held_out)
    assert set(report) == {"clusters", "images", "pooled"}
    assert report["clusters"] == 12
    assert report["pooled"]["right"]["value"] == pytest.approx(11 / 12)
    assert 0 < report["pooled"]["decided_wrong"]["value"] <= 1 / 12


def test_the_learning_curve_rises_with_the_documents_and_hangs_on_the_seed_alone() -> None:
    from quire.evaluation.protocols import few_labels

    strategy, targets, _ = planted()
    documents = np.arange(72) // 3  # two documents show two labels at most
    curve = few_labels(strategy, targets, documents, seed=1)
    assert [row["documents"] for row in curve] == [2, 5, 7, 11, 14, 19]
    assert [row["images"] for row in curve] == [3 * row["documents"] for row in curve]
    assert curve[0]["lowest"] < curve[-1]["lowest"] == curve[-1]["accuracy"] == 1
    assert curve == few_labels(strategy, targets, documents, seed=1)
    assert curve != few_labels(strategy, targets, documents, seed=2)


def test_a_cluster_is_left_out_with_its_documents_and_no_label_is_lost() -> None:
    """A near-duplicate in the same document would teach the cluster; a label that stands in those documents alone cannot go."""
    from quire.evaluation.protocols import in_other_documents, left_out

    strategy, targets, planted_clusters = planted()
    documents = np.where(planted_clusters == 0, np.arange(72) % 2, np.arange(72))  # cluster 0 fills two documents
    documents[-1] = 0  # and one of them holds an image of another label
    out = planted_clusters == 0
    assert not in_other_documents(out, documents)[[-1, 0, 1]].any()
    assert in_other_documents(out, documents).sum() == 72 - 6 - 1 - np.isin(documents, [0, 1])[6:-1].sum()
    assert len(left_out(strategy.features, targets, np.arange(72))) == 12
    assert left_out(strategy.features, targets, targets) == []  # each label in a document of its own: nothing would be left
