"""How much a share can tell: against SciPy and statsmodels, by hand, and on simulated documents."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from quire.training.proportions import effective_count, interval, upper_bound
from quire.training.selective import choose_threshold

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
RUNS = 600


def clustered(documents: int, images: int, error: float, correlation: float, kind: str) -> Iterator[tuple[Bools, Ints]]:
    """Whether images are wrong, and their documents, RUNS times. Errors of a document correlate, in one of two ways."""
    draws, document_of = np.random.default_rng(7), np.repeat(np.arange(documents), images)
    for _ in range(RUNS):
        if kind == "beta-binomial":
            rates = draws.beta(error * (1 / correlation - 1), (1 - error) * (1 / correlation - 1), documents)
            yield draws.random(len(document_of)) < rates[document_of], document_of
        else:
            whole, own = draws.random(documents) < error, draws.random(len(document_of)) < error
            yield np.where(draws.random(len(document_of)) < np.sqrt(correlation), whole[document_of], own), document_of


@pytest.mark.parametrize("kind", ["beta-binomial", "copied"])
@pytest.mark.parametrize(("documents", "images", "error"), [(150, 5, 0.05), (50, 15, 0.05), (50, 15, 0.02), (27, 5, 0.05)])
def test_95_of_100_intervals_hold_the_share_however_errors_hang_together(
    documents: int, images: int, error: float, kind: str
) -> None:
    intervals = np.array([interval(wrong, of) for wrong, of in clustered(documents, images, error, 0.5, kind)])  # (R, 2)
    assert ((intervals[:, 0] <= error) & (error <= intervals[:, 1])).mean() >= 0.93


@pytest.mark.parametrize("kind", ["beta-binomial", "copied"])
@pytest.mark.parametrize(("documents", "images"), [(150, 5), (50, 15)])
def test_a_risk_that_is_not_met_is_called_met_in_one_of_ten_at_most(documents: int, images: int, kind: str) -> None:
    """The true risk is a hair above the one that is asked for, whatever the confidence is."""
    sure = np.random.default_rng(1).uniform(0.9, 1, documents * images)
    runs = clustered(documents, images, 0.0501, 0.5, kind)
    met = [choose_threshold(sure, ~wrong, of, max_risk=0.05, confidence=0.9, max_error_probability=0.2).met for wrong, of in runs]
    assert np.mean(met) <= 0.11


def test_images_that_are_documents_of_their_own_have_clopper_and_pearsons_interval() -> None:
    wrong = np.arange(400) < 40
    expected = proportion_confint(40, 400, alpha=0.05, method="beta")
    assert interval(wrong, np.arange(400)) == pytest.approx(expected, abs=0.002)
    assert effective_count(wrong, np.arange(400), 0.975) == pytest.approx(400, rel=0.02)


def test_the_bound_is_clopper_and_pearsons_at_the_effective_count() -> None:
    wrong, documents = np.arange(120) % 12 == 0, np.arange(120) // 4
    count = effective_count(wrong, documents, 0.95)
    whole = stats.binomtest(round(count * wrong.mean()), round(count), alternative="less").proportion_ci(0.95).high
    assert upper_bound(wrong, documents, 0.95) == pytest.approx(whole, abs=0.01)


def test_without_an_error_documents_are_counted() -> None:
    """27 documents of which all are right bound the risk by 1 − 0.1^(1/27), 8 %, at 90 %, however many images they hold."""
    for images in (5, 50):
        bound = upper_bound(np.zeros(27 * images, bool), np.repeat(np.arange(27), images), 0.9)
        assert bound == pytest.approx(1 - 0.1 ** (1 / 27), abs=0.008)


def test_the_effective_count_by_hand() -> None:
    """Four documents of two; of one both are wrong. With one document more, wrong throughout, the share is 4/10.

    Σ (errors − share · size)² = 1.2² (wrong twice) + 3 · 0.8² + 1.2² (the one more) = 4.8;
    deff = 5/4 · 4.8 / (10 · 0.4 · 0.6) = 2.5; 8 / 2.5 = 3.2, times (t₇ / t₃)² of 0.975.
    """
    wrong, documents = np.array([1, 1, 0, 0, 0, 0, 0, 0], bool), np.arange(8) // 2
    assert effective_count(wrong, documents, 0.975) == pytest.approx(3.2 * (2.364624 / 3.182446) ** 2, rel=1e-5)
    assert effective_count(~wrong, documents, 0.975) == effective_count(wrong, documents, 0.975)


def test_one_error_tells_no_more_than_none() -> None:
    documents = np.arange(135) // 5
    none, one = np.zeros(135, bool), np.arange(135) == 0
    assert upper_bound(one, documents, 0.9) > upper_bound(none, documents, 0.9)


def test_bounds_at_their_edge() -> None:
    documents = np.arange(10)
    assert upper_bound(np.ones(10, bool), documents, 0.95) == 1
    assert interval(np.ones(10, bool), documents)[1] == 1
    assert interval(np.zeros(10, bool), documents)[0] == 0
    assert interval(np.zeros(0, bool), documents[:0]) == (0, 1)
    assert effective_count(np.ones(10, bool), np.zeros(10, np.int64), 0.95) == 1  # one document says nothing of the next
    assert 0 < interval(np.arange(10) < 5, documents)[0] < 0.5 < interval(np.arange(10) < 5, documents)[1] < 1
    few = np.array([1, 0], bool)
    assert effective_count(few, np.arange(2), 0.95) <= 2


def test_documents_of_unequal_size_by_hand() -> None:
    """20 documents each of one, two and five images; wrong are the one, and four of the five. One more is wrong throughout."""
    wrong = np.tile(np.array([1, 0, 0, 1, 1, 1, 1, 0], bool), 20)
    documents = np.repeat(np.arange(60), np.tile([1, 2, 5], 20))
    share = (60 + 8 / 3) / (160 + 8 / 3)  # of the right ones, which are the rarer: 60 of 160
    own = sum((errors - share * size) ** 2 for errors, size in ((0, 1), (2, 2), (1, 5)))
    squares = 20 * own + (8 / 3 * (1 - share)) ** 2
    design_effect = 61 / 60 * squares / ((160 + 8 / 3) * share * (1 - share))
    expected = 160 / design_effect * (stats.t.ppf(0.975, 159) / stats.t.ppf(0.975, 59)) ** 2
    assert effective_count(wrong, documents, 0.975) == pytest.approx(expected, rel=1e-9)
    assert 60 < expected < 160


def test_two_documents_tell_more_than_one_and_no_count_is_beyond_the_images() -> None:
    assert effective_count(np.array([1, 0], bool), np.arange(2), 0.95) > 1
    alternating, documents = np.arange(200) % 2 == 0, np.arange(200) // 2  # each document half wrong: they differ in nothing
    assert effective_count(alternating, documents, 0.95) == 200
    half = np.arange(8) < 4
    assert effective_count(half, np.arange(8) // 2, 0.95) == effective_count(~half, np.arange(8) // 2, 0.95)
    assert effective_count(np.arange(4) < 2, np.array([0, 0, 1, 1]), 0.999) == 1  # at least one
    two_of_five = np.arange(10) % 5 < 2
    assert effective_count(two_of_five, np.arange(10) // 5, 0.9) == effective_count(~two_of_five, np.arange(10) // 5, 0.9)
