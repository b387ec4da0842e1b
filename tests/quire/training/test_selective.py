import numpy as np
import pytest

from quire.training.selective import choose_threshold, upper_bound


def test_the_bound_is_clopper_and_pearsons() -> None:
    assert upper_bound(0, 59, 0.95) == pytest.approx(1 - 0.05 ** (1 / 59))  # the rule of three: about 3 / n
    assert upper_bound(5, 5, 0.95) == 1


def test_wrong_answers_of_low_confidence_are_not_given() -> None:
    confidences = np.linspace(0.4, 1, 1000)
    correct = confidences > 0.44
    chosen = choose_threshold(confidences, correct, max_risk=0.05, confidence=0.9, max_error_probability=0.6)
    assert chosen.met
    assert chosen.risk <= 0.05
    assert chosen.coverage == pytest.approx(0.95)  # the highest coverage whose bound holds
    assert choose_threshold(confidences, correct, max_risk=0.01, confidence=0.9, max_error_probability=0.6).coverage < 0.95


def test_too_few_images_carry_the_lowest_risk_that_they_can() -> None:
    chosen = choose_threshold(np.linspace(0.5, 1, 20), np.ones(20, bool), max_risk=0.05, confidence=0.9, max_error_probability=0.6)
    assert not chosen.met
    assert (chosen.coverage, chosen.min_confidence) == (1, 0.5)
    assert 0.05 < chosen.risk < 0.25


def test_an_answer_that_doubts_itself_too_much_is_not_given_even_where_all_are_right() -> None:
    confidences = np.linspace(0.5, 1, 200)
    chosen = choose_threshold(confidences, np.ones(200, bool), max_risk=0.05, confidence=0.9, max_error_probability=0.2)
    assert chosen.met
    assert chosen.min_confidence == 0.8
    assert chosen.coverage == pytest.approx(0.4)
    none = choose_threshold(np.full(200, 0.7), np.ones(200, bool), max_risk=0.05, confidence=0.9, max_error_probability=0.2)
    assert (none.met, none.coverage, none.risk) == (False, 0, 1)


def test_the_risk_is_kept_on_images_that_were_not_looked_at() -> None:
    """At most one in ten choices may break its promise; the draws are of a model that knows its own doubt."""
    broken = 0
    for seed in range(200):
        draws = np.random.default_rng(seed)
        confidences = 1 - draws.uniform(0, 0.5, 300) ** 2
        correct = draws.uniform(size=300) < confidences
        chosen = choose_threshold(confidences, correct, max_risk=0.08, confidence=0.9, max_error_probability=0.6)
        fresh = 1 - draws.uniform(0, 0.5, 20_000) ** 2
        broken += bool((1 - fresh[fresh >= chosen.min_confidence]).mean() > chosen.risk)
    assert broken <= 20
