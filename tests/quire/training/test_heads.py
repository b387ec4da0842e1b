"""The head's problem and its solution."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from quire.training.heads import GRID, Floats, Head, ridge, solve


def problem(images: int = 60, features: int = 200, classes: int = 3) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    draws = np.random.default_rng(0)
    return draws.normal(size=(images, features)), draws.integers(0, classes, images)


def test_it_is_the_regression_that_scikit_learn_solves() -> None:
    inputs, targets = problem()
    head = solve(inputs, np.zeros((60, 3)), targets, ridge(3, 0.01, 0.01, None))
    # scikit-learn minimises C · Σ loss + |W|² / 2, which is ours times 1 / (2 · 0.01)
    peer = LogisticRegression(C=1 / (2 * 0.01 * 60), tol=1e-10, max_iter=10_000).fit(inputs, targets)
    assert np.abs(head.weight - peer.coef_).max() < 1e-5
    assert np.abs(head.bias - (peer.intercept_ - peer.intercept_.mean())).max() < 1e-5


@pytest.mark.parametrize("images", [60, 400])  # fewer and more of them than features
def test_the_gradient_is_zero_at_the_solution_wherever_it_starts(images: int) -> None:
    inputs, targets = problem(images)
    offsets, penalty = np.random.default_rng(1).normal(size=(images, 3)), ridge(3, 0.01, 0.3, 2)
    head = solve(inputs, offsets, targets, penalty)
    errors = np.exp(log_softmax(head.logits(inputs) + offsets, axis=1)) - np.eye(3)[targets]
    assert np.abs(errors.T @ inputs / images + 2 * penalty @ head.weight).max() < 20 / GRID  # of the grid's rounding
    assert np.abs(errors.mean(0)).max() < 20 / GRID
    elsewhere = solve(inputs, offsets, targets, penalty, Head(np.random.default_rng(2).normal(size=(3, 200)), np.ones(3)))
    assert np.array_equal(elsewhere.weight, head.weight)
    assert np.array_equal(elsewhere.bias, head.bias)


@pytest.mark.parametrize("images", [60, 400])
def test_features_that_are_read_anew_each_time_give_the_same(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, targets = problem(images)
    inputs, offsets, penalty = inputs + 3, np.zeros((images, 3)), ridge(3, 0.01, 0.3, 2)
    held = solve(inputs, offsets, targets, penalty)
    monkeypatch.setattr("quire.training.heads.HELD", 0)
    monkeypatch.setattr("quire.training.rows.CHUNK", 7)
    monkeypatch.setattr("quire.training.heads.CHUNK", 7)
    streamed = solve(inputs, offsets, targets, penalty)
    assert np.array_equal(streamed.weight, held.weight)
    assert np.array_equal(streamed.bias, held.bias)


def test_weights_lie_on_the_grid_and_the_bias_has_no_mean() -> None:
    inputs, targets = problem()
    head = solve(inputs, np.zeros((60, 3)), targets, ridge(3, 0.01, 0.01, None))
    assert np.array_equal(head.weight * GRID, np.round(head.weight * GRID))
    assert abs(head.bias.sum()) < 3 / GRID


def test_the_ridge_on_the_open_question_is_paid_by_that_direction_alone() -> None:
    penalty = ridge(3, 0.01, 0.3, 2)
    opening, closed = np.array([1, 1, -2]) / np.sqrt(6), np.array([1, -1, 0]) / np.sqrt(2)
    assert opening @ penalty @ opening == pytest.approx(0.3)
    assert closed @ penalty @ closed == pytest.approx(0.01)
    assert ridge(3, 0.01, 0.3, None) == pytest.approx(0.01 * np.eye(3))
