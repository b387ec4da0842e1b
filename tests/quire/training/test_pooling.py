"""How experts are weighed. Marked, for PyTorch takes seconds to import."""

import numpy as np
import pytest

pytestmark = pytest.mark.pipeline


def experts(which: float, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (500, 3, 3) of a head that knows the truth, one that knows `which` times as much, and a silent one; targets (500,)."""
    draws = np.random.default_rng(0)
    targets = draws.integers(0, 3, 500)
    truth = np.eye(3)[targets]
    head, other = (knows * truth + noise * draws.normal(size=(500, 3)) for knows in (1, which))
    return np.stack([head, other, np.zeros((500, 3))], 1), targets


def test_an_expert_weighs_what_it_adds_to_held_out_answers() -> None:
    from quire.training.pooling import fit_weights

    useful, useless = (fit_weights(*experts(which=which)) for which in (3, 0))
    assert useful[1] / useful[0] > 0.7  # it starts at 0.5
    assert useless[1] / useless[0] < 0.4
    assert useful[2] / useful[0] == pytest.approx(1, abs=1e-5)  # nothing was heard of it: it stays where it starts


def test_the_scale_calibrates_and_stays_finite_where_all_is_right() -> None:
    from quire.training.pooling import fit_weights, pooled

    draws = np.random.default_rng(0)
    logits = draws.normal(size=(4000, 3))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = np.array([draws.choice(3, p=row) for row in shares])
    overconfident = np.stack([3 * logits, *np.zeros((2, 4000, 3))], 1)
    assert fit_weights(overconfident, targets)[0] == pytest.approx(1 / 3, rel=0.1)  # a temperature of 3
    separable = np.zeros((15, 3, 3))
    separable[:, 0] = 10 * np.eye(3)[np.arange(15) % 3]
    assert 1 < fit_weights(separable, np.arange(15) % 3)[0] < 20
    assert pooled(np.ones((2, 3, 4)), np.array([1.0, 0.5, 0.25])).tolist() == [[1.75] * 4] * 2


def test_the_weights_are_where_the_loss_is_least() -> None:
    """Against a search that knows no gradient."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    from quire.training.pooling import RIDGE, START, fit_weights, pooled

    logits, targets = experts(which=1)

    def loss(point: np.ndarray) -> float:
        balance = np.append(1, point[1:])
        logs = log_softmax(pooled(logits, np.exp(point[0]) * balance), axis=1)[np.arange(500), targets]
        return float(-logs.mean() + RIDGE * ((balance - START) ** 2).sum() + point[0] ** 2 / 1000)

    best = minimize(loss, [0, 0.5, 1], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 5000}).x
    assert fit_weights(logits, targets) == pytest.approx(np.exp(best[0]) * np.append(1, best[1:]), abs=1e-4)


def test_no_expert_weighs_less_than_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from quire.training import pooling

    monkeypatch.setattr(pooling, "RIDGE", 1e-6)
    assert pooling.fit_weights(*experts(which=-1))[1] == 0


def test_the_pooling_is_fitted_on_damped_opinions_of_labels_that_others_have_too() -> None:
    """An image whose label nothing else has lies at no distance that says anything of the damping."""
    from quire.training.damping import fit_damping
    from quire.training.familiarity import FARTHEST
    from quire.training.pooling import Opinions, experts, fit_pooling, fit_weights, pooled

    draws = np.random.default_rng(0)
    targets = np.arange(90) % 3
    head = 2 * np.eye(3)[targets] + draws.normal(size=(90, 3))
    zero_shot = np.zeros((90, 2, 3))
    zero_shot[:, 0, :2] = np.where(targets[:, None] == [0, 1], -0.1, -3)
    zero_shot[:, 1, :2] = np.where(targets < 2, 2, -2)[:, None]
    distances = draws.uniform(0.1, 0.5, (90, 3)) * [1, 1, 0]
    distances[0] = [FARTHEST, 0.3, 0]
    opinions = Opinions(head, zero_shot, distances)
    pooling = fit_pooling(opinions, targets, 0.9, background=2)
    own = distances[np.arange(90), targets]
    damping = fit_damping(own[1:], targets[1:], zero_shot[1:], 0.9, 2)
    assert pooling.damping.described() == damping.described()
    expected = experts(damping, opinions)
    assert expected[:, 0] == pytest.approx(damping.of(head, distances))
    assert np.array_equal(expected[:, 1:], zero_shot)
    assert np.array_equal(pooling.weights, fit_weights(expected, targets))
    assert pooling.logits(opinions) == pytest.approx(pooled(expected, pooling.weights))


def test_opinions_of_some_and_the_unfamiliarity_of_what_is_answered() -> None:
    from quire.training.pooling import Opinions

    opinions = Opinions(np.eye(3), np.zeros((3, 2, 3)), np.arange(9.0).reshape(3, 3))
    some = opinions.of(np.array([True, False, True]))
    assert np.array_equal(some.head, np.eye(3)[[0, 2]])
    assert some.zero_shot.shape == (2, 2, 3)
    assert np.array_equal(some.distances, [[0, 1, 2], [6, 7, 8]])
    assert opinions.unfamiliarity(np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])).tolist() == [1, 3, 8]
