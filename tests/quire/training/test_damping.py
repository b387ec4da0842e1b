"""How far a head is believed. Marked, for PyTorch takes seconds to import."""

import numpy as np
import pytest

pytestmark = pytest.mark.pipeline

LOGITS = np.array([[3.0, 1.0, -1.0]])  # two labels that name something, and the background


def test_near_its_training_images_a_head_is_believed_whole_and_far_from_them_only_in_which_label() -> None:
    from quire.training.damping import Damping

    damping = Damping(background=2, limit=0.5, scale=0.1, share=1)
    near, nearest_counts, beyond, far = (
        damping.of(LOGITS, np.array([row])) for row in ([0.5, 0.5, 0], [0.4, 0.9, 0], [0.6, 0.7, 0], [9, 9, 0])
    )
    assert near == pytest.approx(LOGITS)
    assert nearest_counts == pytest.approx(LOGITS)
    assert beyond[0, 2] == pytest.approx(-1 + 3 * (1 - np.exp(-1)))  # the named labels are 3 ahead of the background
    assert far[0].tolist() == pytest.approx([3, 1, 2])  # as likely as not


def test_what_a_head_says_for_the_background_is_believed_everywhere() -> None:
    from quire.training.damping import Damping

    assert Damping(2, 0.5, 0.1, 1).of(-LOGITS, np.array([[9.0, 9.0, 0]])) == pytest.approx(-LOGITS)


def test_without_a_background_nothing_changes() -> None:
    from quire.training.damping import fit_damping

    damping = fit_damping(np.linspace(0, 1, 50), np.ones(50, bool), np.ones(50, bool), 0.99, background=None)
    assert damping.of(LOGITS, np.array([[9.0, 9.0, 9.0]])) == pytest.approx(LOGITS)
    assert damping.described() is None


def test_the_say_falls_as_the_share_of_images_that_lie_still_further() -> None:
    from quire.training.damping import fit_damping

    distances, named = np.random.default_rng(0).exponential(0.1, 40_000), np.arange(40_000) % 2 == 0
    damping = fit_damping(distances, named, named, 0.99, background=2)
    assert damping.limit == pytest.approx(0.1 * np.log(100), rel=0.05)  # one in a hundred lies beyond
    assert damping.scale == pytest.approx(0.1, rel=0.05)
    assert damping.share == 1


def test_the_head_keeps_its_say_where_the_zero_shot_expert_knows_nothing() -> None:
    """As of drawings, which the backbone has not seen: it calls all of them something else."""
    from quire.training.damping import fit_damping

    distances, named = np.linspace(0.1, 0.5, 40), np.arange(40) % 2 == 0
    assert fit_damping(distances, named, np.zeros(40, bool), 0.99, background=2).share == 0
    assert fit_damping(distances, named, ~named, 0.99, background=2).share == 0
    assert fit_damping(distances, named, named & (np.arange(40) < 20), 0.99, background=2).share == 0.5


def test_few_images_and_equal_ones_have_a_damping_too() -> None:
    from quire.training.damping import fit_damping

    two, many = np.array([True, False]), np.arange(30) < 15
    assert fit_damping(np.array([0.4, 0]), two, two, 0.99, background=2).limit == 0.4
    assert fit_damping(np.full(30, 0.4), many, many, 0.99, background=2).scale > 0
    assert fit_damping(np.array([0.4]), two[:1], two[:1], 0.99, background=2).described() is None
