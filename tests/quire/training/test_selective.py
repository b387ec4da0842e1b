import numpy as np
import pytest

from quire.training.selective import Selective, choose_threshold


def test_wrong_answers_of_low_confidence_are_not_given() -> None:
    confidences = np.linspace(0.4, 1, 1000)
    correct = confidences > 0.44
    chosen = choose_threshold(
        confidences, correct, np.arange(len(correct)), max_risk=0.05, confidence=0.9, max_error_probability=0.6
    )
    assert chosen.met
    assert chosen.risk <= 0.05
    assert chosen.coverage == pytest.approx(0.95)  # the highest coverage whose bound holds
    assert (
        choose_threshold(
            confidences, correct, np.arange(len(correct)), max_risk=0.01, confidence=0.9, max_error_probability=0.6
        ).coverage
        < 0.95
    )


def test_too_few_documents_show_no_risk_and_the_error_probability_alone_decides() -> None:
    """Without any error 27 documents carry a bound of 1 − 0.02^(1/27), 13 %: a fifth of 10 % is left for each of five bounds."""
    confidences, documents = np.linspace(0.5, 1, 270), np.arange(270) % 27
    chosen = choose_threshold(confidences, np.ones(270, bool), documents, max_risk=0.05, confidence=0.9, max_error_probability=0.4)
    assert not chosen.met
    assert chosen.min_confidence == 0.6
    assert chosen.coverage == pytest.approx(0.8, abs=0.01)
    assert chosen.risk == pytest.approx(1 - 0.02 ** (1 / 27), abs=0.02)


def test_the_threshold_does_not_snap_to_the_lowest_confidence_that_was_seen() -> None:
    """197 right answers, all surer than 0.988: the next may be a little less sure."""
    confidences = np.linspace(0.988, 1, 197)
    chosen = choose_threshold(confidences, np.ones(197, bool), np.arange(197), 0.05, 0.9, max_error_probability=0.2)
    assert (chosen.met, chosen.min_confidence, chosen.coverage) == (True, 0.8, 1)


def test_a_threshold_that_answers_fewer_is_a_quantile() -> None:
    """One image more or less moves it by less than the gap between two confidences."""
    confidences = np.linspace(0, 1, 1001)
    correct = confidences > 0.04
    chosen = choose_threshold(confidences, correct, np.arange(1001), 0.01, 0.9, max_error_probability=0.999)
    assert chosen.min_confidence == pytest.approx(0.05)
    assert chosen.met
    assert chosen.coverage == pytest.approx(0.95, abs=0.001)


def test_an_answer_that_doubts_itself_too_much_is_not_given_even_where_all_are_right() -> None:
    confidences, documents = np.linspace(0.5, 1, 200), np.arange(200)
    chosen = choose_threshold(confidences, np.ones(200, bool), documents, max_risk=0.05, confidence=0.9, max_error_probability=0.2)
    assert chosen.met
    assert chosen.min_confidence == 0.8
    assert chosen.coverage == pytest.approx(0.4)
    none = choose_threshold(np.full(200, 0.7), np.ones(200, bool), documents, 0.05, 0.9, max_error_probability=0.2)
    assert (none.met, none.coverage, none.risk) == (False, 0, 1)


def test_the_risk_is_kept_on_images_that_were_not_looked_at() -> None:
    """At most one in ten choices may break its promise; the draws are of a model that knows its own doubt."""
    broken = 0
    for seed in range(200):
        draws = np.random.default_rng(seed)
        confidences = 1 - draws.uniform(0, 0.5, 300) ** 2
        correct = draws.uniform(size=300) < confidences
        chosen = choose_threshold(
            confidences, correct, np.arange(len(correct)), max_risk=0.08, confidence=0.9, max_error_probability=0.6
        )
        fresh = 1 - draws.uniform(0, 0.5, 20_000) ** 2
        broken += bool((1 - fresh[fresh >= chosen.min_confidence]).mean() > chosen.risk)
    assert broken <= 20


def test_thresholds_by_hand() -> None:
    """200 documents of an image: two thirds are of the background, which has no unfamiliarity."""
    probabilities = np.column_stack([np.linspace(0.9, 1, 200), 1 - np.linspace(0.9, 1, 200)])
    unfamiliarity = np.where(np.arange(200) % 3 == 0, np.linspace(0.1, 0.5, 200), 0)
    selective = Selective(max_risk=0.05, confidence=0.9, max_error_probability=0.2, in_distribution_quantile=0.9)
    found = selective.thresholds(probabilities, unfamiliarity, np.zeros(200, np.int64), np.arange(200))
    assert (found.min_confidence, found.met, found.coverage, found.images) == (0.8, True, 1.0, 200)
    assert found.max_unfamiliarity == pytest.approx(np.quantile(unfamiliarity[::3], 0.9), abs=1e-6)
    assert found.risk == pytest.approx(1 - 0.02 ** (1 / 200), abs=1e-3)
    assert (found.max_risk, found.confidence, found.max_error_probability, found.in_distribution_quantile) == (0.05, 0.9, 0.2, 0.9)
    assert all(value == round(value, 6) for value in (found.risk, found.coverage, found.max_unfamiliarity))
    wrong = selective.thresholds(probabilities, np.zeros(200), np.ones(200, np.int64), np.arange(200))
    assert (wrong.met, wrong.risk, wrong.max_unfamiliarity) == (False, 1.0, 1.0)  # nothing is ever so unfamiliar


def test_bounds_that_are_just_kept_are_kept() -> None:
    confidences, right, documents = np.full(300, 0.8), np.ones(300, bool), np.arange(300)
    answered = choose_threshold(confidences, right, documents, 0.05, 0.9, max_error_probability=0.2)
    assert answered.coverage == 1  # as sure as the threshold is sure enough
    assert choose_threshold(confidences, right, documents, answered.risk, 0.9, 0.2).met
    assert not choose_threshold(confidences, right, documents, answered.risk - 1e-9, 0.9, 0.2).met
    few = choose_threshold(np.linspace(0.5, 1, 40), np.ones(40, bool), np.arange(40), 0.01, 0.9, max_error_probability=0.9)
    assert not few.met
    assert few.min_confidence == pytest.approx(0.1)


def test_figures_are_rounded_and_the_threshold_is_so_downward() -> None:
    selective = Selective(max_risk=0.05, confidence=0.9, max_error_probability=1 / 3, in_distribution_quantile=0.9)
    confidences = np.linspace(0.7, 1, 300)
    probabilities = np.column_stack([confidences, 1 - confidences])
    found = selective.thresholds(probabilities, confidences, np.zeros(300, np.int64), np.arange(300) // 7)
    assert found.min_confidence == 0.666666
    assert found.max_unfamiliarity == round(float(np.quantile(confidences, 0.9)), 6)
    assert (round(found.risk, 6), round(found.coverage, 6)) == (found.risk, found.coverage)
