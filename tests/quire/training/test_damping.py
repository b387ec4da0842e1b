"""How far a head is believed. Marked, for PyTorch takes seconds to import."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

pytestmark = pytest.mark.pipeline

LOGITS = np.array([[3.0, 1.0, -1.0]])  # two labels that name something, and the background


def said(which: NDArray[np.int64], named: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Zero-shot logits, (N, 2, 3), that call images these labels, and say whether they are named."""
    found = np.zeros((len(which), 2, 3))
    found[np.arange(len(which)), 0, 1 - which] = -4
    found[:, 1, :2] = np.where(named, 2.0, -2.0)[:, None]
    return found


def test_near_its_training_images_a_head_is_believed_whole_and_far_from_them_no_more() -> None:
    from quire.training.damping import Damping

    damping = Damping(background=2, limit=0.5, scale=0.1, share_any=1, share_which=1)
    near, nearest_counts, beyond, far = (
        damping.of(LOGITS, np.array([row])) for row in ([0.5, 0.5, 0], [0.4, 0.9, 0], [0.6, 0.7, 0], [9, 9, 0])
    )
    assert near == pytest.approx(LOGITS)
    assert nearest_counts == pytest.approx(LOGITS)
    left = np.exp(-1)  # one scale beyond the limit; the mean of the named labels is 2, and 3 ahead of the background
    assert beyond[0] == pytest.approx([2 + left, 2 - left, -1 + 3 * (1 - left)])
    assert far[0].tolist() == pytest.approx([2, 2, 2])


def test_each_opinion_fades_by_its_own_share() -> None:
    from quire.training.damping import Damping

    far = np.array([[9.0, 9.0, 0]])
    assert Damping(2, 0.5, 0.1, share_any=1, share_which=0).of(LOGITS, far)[0] == pytest.approx([3, 1, 2])
    assert Damping(2, 0.5, 0.1, share_any=0, share_which=0.5).of(LOGITS, far)[0] == pytest.approx([2.5, 1.5, -1])


def test_what_a_head_says_for_the_background_is_believed_everywhere() -> None:
    from quire.training.damping import Damping

    assert Damping(2, 0.5, 0.1, 1, 0).of(-LOGITS, np.array([[9.0, 9.0, 0]])) == pytest.approx(-LOGITS)


def test_without_a_background_nothing_changes() -> None:
    from quire.training.damping import fit_damping

    targets = np.arange(50) % 2
    damping = fit_damping(np.linspace(0, 1, 50), targets, said(targets, targets >= 0), 0.99, background=None)
    assert damping.of(LOGITS, np.array([[9.0, 9.0, 9.0]])) == pytest.approx(LOGITS)
    assert damping.described() is None


def test_the_say_falls_as_the_share_of_images_that_lie_still_further() -> None:
    from quire.training.damping import fit_damping

    distances, targets = np.random.default_rng(0).exponential(0.1, 40_000), np.arange(40_000) % 4 % 3
    damping = fit_damping(distances, targets, said(targets % 2, targets < 2), 0.99, background=2)
    assert damping.limit == pytest.approx(0.1 * np.log(100), rel=0.02)  # one in a hundred lies beyond
    assert damping.scale == pytest.approx(0.1, rel=0.02)
    assert (damping.share_any, damping.share_which) == (1, 1)


def test_the_limit_is_the_tails_and_no_single_images() -> None:
    from quire.training.damping import fit_damping

    targets = np.repeat([0, 1, 2], 20)
    distances = np.tile(np.linspace(0.1, 0.5, 20), 3)
    limits = []
    for last in (0.5, 0.52):  # the farthest image of all
        distances[19] = last
        limits.append(fit_damping(distances, targets, said(targets % 2, targets < 2), 0.99, background=2).limit)
    own = np.delete(distances, slice(40, 60))
    threshold = np.quantile(own, 0.9)
    assert limits[1] == pytest.approx(threshold + (own[own > threshold] - threshold).mean() * np.log(10), abs=1e-5)
    assert 0 < limits[1] - limits[0] < 0.02


def test_a_share_is_the_experts_informedness() -> None:
    """As of drawings, which the backbone has not seen, it is 0: it calls all of them something else."""
    from quire.training.damping import fit_damping

    targets = np.arange(60) % 3
    named, distances = targets < 2, np.linspace(0.1, 0.5, 60)

    def shares(which: NDArray[np.int64], called_named: NDArray[np.bool_]) -> tuple[float, float]:
        damping = fit_damping(distances, targets, said(which, called_named), 0.99, background=2)
        return damping.share_any, damping.share_which

    assert shares(targets % 2, np.zeros(60, bool)) == (0, 1)
    assert shares(1 - targets % 2, ~named) == (0, 0)
    assert shares(np.zeros(60, np.int64), named & (np.arange(60) < 30)) == (0.5, 0)
    which = np.where(np.arange(60) % 5 == 0, 1 - targets % 2, targets % 2)
    expected = balanced_accuracy_score(targets[named], which[named], adjusted=True)
    assert shares(which, named) == pytest.approx((1, expected), abs=1e-6)


def test_few_images_and_equal_ones_have_a_damping_too() -> None:
    from quire.training.damping import fit_damping

    two, many = np.array([0, 2]), np.arange(30) % 3
    assert fit_damping(np.array([0.4, 0]), two, said(two % 2, two < 2), 0.9, background=2).limit == 0.4
    assert fit_damping(np.full(30, 0.4), many, said(many % 2, many < 2), 0.99, background=2).scale > 0
    assert fit_damping(np.array([0.4]), two[:1], said(two[:1], two[:1] < 2), 0.99, background=2).described() is None


def test_each_image_fades_by_its_own_distance() -> None:
    from quire.training.damping import Damping

    logits, distances = np.array([[3.0, 1, -1], [2, 6, 0], [1, 1, 5]]), np.array([[0.5, 0.9, 0], [0.9, 0.7, 0], [9, 9, 0]])
    damped = Damping(2, 0.5, 0.1, 0.8, 0.6).of(logits, distances)
    for row, (logit, distance) in enumerate(zip(logits, distances, strict=True)):
        fade = 1 - np.exp(-max(0, distance[:2].min() - 0.5) / 0.1)
        mean = logit[:2].mean()
        named = mean + (logit[:2] - mean) * (1 - 0.6 * fade)
        assert damped[row] == pytest.approx([*named, logit[2] + 0.8 * fade * max(0, mean - logit[2])])


def test_what_is_fitted_is_what_damps_and_what_is_told() -> None:
    from quire.training.damping import Damping, fit_damping

    targets, distances = np.arange(60) % 3, np.linspace(0.1, 0.5, 60)
    damping = fit_damping(distances, targets, said(targets % 2, targets < 2), 0.99, background=2)
    figures = {"limit": damping.limit, "scale": damping.scale, "share_any": 1.0, "share_which": 1.0}
    assert damping.described() == figures
    assert all(value == round(value, 6) for value in figures.values())
    far = np.array([[9.0, 9.0, 0]])
    assert damping.of(LOGITS, far) == pytest.approx(Damping(2, damping.limit, damping.scale, 1, 1).of(LOGITS, far))
    assert damping.of(LOGITS, far)[0] == pytest.approx([2, 2, 2])


def test_an_expert_of_one_named_label_or_without_a_word_knows_nothing() -> None:
    from quire.training.damping import fit_damping

    targets, distances = 2 * (np.arange(30) % 2), np.linspace(0.1, 0.5, 30)  # of the named labels only one has images
    assert fit_damping(distances, targets, said(targets % 2, targets < 2), 0.99, background=2).share_which == 0
    silent = fit_damping(distances, targets, np.zeros((30, 2, 3)), 0.99, background=2)
    assert (silent.share_any, silent.share_which) == (0, 0)
    barely = said(targets % 2, targets < 2) / 10  # in favour by 0.2 is in favour
    assert fit_damping(distances, targets, barely, 0.99, background=2).share_any == 1


def test_equal_distances_have_the_smallest_scale() -> None:
    from quire.training.damping import fit_damping

    targets = np.arange(30) % 3
    damping = fit_damping(np.full(30, 0.4), targets, said(targets % 2, targets < 2), 0.99, background=2)
    assert damping.scale == 1e-3
    assert damping.limit == pytest.approx(0.4 + 1e-3 * np.log(10), abs=1e-6)
