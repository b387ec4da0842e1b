"""How far a head is believed. Marked, for PyTorch takes seconds to import."""

import numpy as np
import pytest

pytestmark = pytest.mark.pipeline

LOGITS = np.array([[3.0, 1.0, -1.0]])  # two labels that name something, and the rest


def test_within_its_reach_a_head_is_believed_whole_and_far_beyond_only_in_which_label() -> None:
    from quire.training.damping import Reach

    reach = Reach(rest=2, limit=0.5, scale=0.1, share=1)
    near, nearest_counts, beyond, far = (
        reach.of(LOGITS, np.array([row])) for row in ([0.5, 0.5, 0], [0.4, 0.9, 0], [0.6, 0.7, 0], [9, 9, 0])
    )
    assert near == pytest.approx(LOGITS)
    assert nearest_counts == pytest.approx(LOGITS)
    assert beyond[0, 2] == pytest.approx(-1 + 3 * (1 - np.exp(-1)))  # the named labels are 3 ahead of the rest
    assert far[0].tolist() == pytest.approx([3, 1, 2])  # as likely as not


def test_what_a_head_says_for_the_rest_is_believed_everywhere() -> None:
    from quire.training.damping import Reach

    assert Reach(2, 0.5, 0.1, 1).of(-LOGITS, np.array([[9.0, 9.0, 0]])) == pytest.approx(-LOGITS)


def test_without_a_rest_nothing_changes() -> None:
    from quire.training.damping import fit_reach

    reach = fit_reach(np.linspace(0, 1, 50), np.ones(50, bool), np.ones(50, bool), 0.99, rest=None)
    assert reach.of(LOGITS, np.array([[9.0, 9.0, 9.0]])) == pytest.approx(LOGITS)
    assert reach.described() is None


def test_the_say_falls_as_the_share_of_images_that_lie_still_further() -> None:
    from quire.training.damping import fit_reach

    distances, named = np.random.default_rng(0).exponential(0.1, 40_000), np.arange(40_000) % 2 == 0
    reach = fit_reach(distances, named, named, 0.99, rest=2)
    assert reach.limit == pytest.approx(0.1 * np.log(100), rel=0.05)  # one in a hundred lies beyond
    assert reach.scale == pytest.approx(0.1, rel=0.05)
    assert reach.share == 1


def test_the_head_keeps_its_say_where_the_prior_knows_nothing() -> None:
    """As of drawings, which the backbone has not seen: it calls all of them something else."""
    from quire.training.damping import fit_reach

    distances, named = np.linspace(0.1, 0.5, 40), np.arange(40) % 2 == 0
    assert fit_reach(distances, named, np.zeros(40, bool), 0.99, rest=2).share == 0
    assert fit_reach(distances, named, ~named, 0.99, rest=2).share == 0
    assert fit_reach(distances, named, named & (np.arange(40) < 20), 0.99, rest=2).share == 0.5


def test_few_images_and_equal_ones_have_a_reach_too() -> None:
    from quire.training.damping import fit_reach

    two, many = np.array([True, False]), np.arange(30) < 15
    assert fit_reach(np.array([0.4, 0]), two, two, 0.99, rest=2).limit == 0.4
    assert fit_reach(np.full(30, 0.4), many, many, 0.99, rest=2).scale > 0
    assert fit_reach(np.array([0.4]), two[:1], two[:1], 0.99, rest=2).described() is None  # no image of the rest to ask about
