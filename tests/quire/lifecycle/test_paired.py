"""Whether one model is worse than another, by documents."""

import numpy as np
import pytest

from quire.lifecycle.paired import pair
from quire.training.proportions import upper_bound

RIGHT = np.ones(400, bool)
ALONE = np.arange(400)


def without(*rows: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return ~np.isin(ALONE, rows)


def test_equal_models_are_no_worse_where_the_documents_show_it() -> None:
    """400 documents without a difference bound the loss by 1 − 0.025^(1/400), 0.9 %."""
    paired = pair(RIGHT, RIGHT, ALONE)
    assert (paired.images, paired.documents, paired.champion_alone, paired.candidate_alone) == (400, 400, 0, 0)
    assert paired.greatest_loss == pytest.approx(1 - 0.025 ** (1 / 400), abs=2e-4)
    assert paired.least_loss == -paired.greatest_loss
    assert paired.is_no_worse(0.02)
    assert not paired.is_no_worse(0.005)
    assert not paired.is_worse


def test_four_lost_and_none_won_are_not_called_no_worse() -> None:
    """McNemar's p is 0.0625, "not significant": that shows nothing. Of 40 images a tenth may be lost."""
    paired = pair(RIGHT[:40], without(0, 1, 2, 3)[:40], ALONE[:40])
    assert not paired.is_no_worse(0.05)
    assert not paired.is_no_worse(0.2)
    assert paired.greatest_loss == pytest.approx(upper_bound(ALONE[:40] < 4, ALONE[:40], 0.975), abs=1e-9)


def test_documents_count_and_not_images() -> None:
    """The same 400 images from ten documents show little."""
    assert not pair(RIGHT, RIGHT, ALONE // 40).is_no_worse(0.05)


def test_many_losses_are_worse_and_as_many_wins_make_up_for_them() -> None:
    lost, won = without(*range(40)), without(*range(200, 240))
    assert pair(RIGHT, lost, ALONE).is_worse
    assert pair(RIGHT, lost, ALONE).least_loss < 0.1 < pair(RIGHT, lost, ALONE).greatest_loss
    both = pair(won, lost, ALONE)
    assert (both.champion_alone, both.candidate_alone) == (40, 40)
    assert not both.is_worse
    assert both.least_loss == pytest.approx(-both.greatest_loss)
    assert not pair(lost, RIGHT, ALONE).is_worse
    assert pair(lost, RIGHT, ALONE).is_no_worse(0.001)


def test_nothing_shows_nothing() -> None:
    nothing = pair(RIGHT[:0], RIGHT[:0], ALONE[:0])
    assert (nothing.least_loss, nothing.greatest_loss) == (-1, 1)
    assert not nothing.is_no_worse(0.99)
    assert not nothing.is_worse


def test_a_model_that_loses_the_margin_is_called_no_worse_in_one_of_twenty_at_most() -> None:
    """150 documents of five; 8 % are lost in whole documents, 3 % are won: net 5 %, the margin."""
    draws, documents = np.random.default_rng(5), np.repeat(np.arange(150), 5)
    called = []
    for _ in range(400):
        kind = draws.random(150)[documents]
        called.append(pair(kind > 0.03, (kind < 0.03) | (kind > 0.11), documents).is_no_worse(0.05))
    assert np.mean(called) <= 0.05


def test_what_is_compared_is_told() -> None:
    told = str(pair(without(0, 1)[:40], without(2)[:40], ALONE[:40] // 2))
    assert told.startswith(
        "40 images of 20 documents that neither was fitted on, right alone: champion 1, candidate 2, net loss between -0."
    )


def test_the_margin_itself_is_too_much() -> None:
    paired = pair(RIGHT, RIGHT, ALONE)
    assert not paired.is_no_worse(paired.greatest_loss)
    assert paired.is_no_worse(paired.greatest_loss + 1e-9)
