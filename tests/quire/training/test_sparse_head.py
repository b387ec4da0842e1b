import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from quire.training.heads import GRID, ridge, solve
from quire.training.sparse_head import exp, solve_sparse


def test_each_fold_gets_the_head_that_the_dense_solver_finds_whatever_the_threads() -> None:
    draws = np.random.default_rng(0)
    features = csr_array(random_array((90, 40), density=0.2, rng=draws))
    targets = draws.integers(3, size=90)
    seen = np.arange(90)[:, None] % 3 != np.arange(2)
    found = solve_sparse(features, targets, seen, 3, 0.1)
    for head, own in zip(found, seen.T, strict=True):
        expected = solve(features.toarray()[own], np.zeros((own.sum(), 3)), targets[own], ridge(3, 0.1 / own.sum(), 0, None))
        assert head.weight == pytest.approx(expected.weight, abs=4 / GRID)
        assert head.bias == pytest.approx(expected.bias, abs=4 / GRID)
    again = solve_sparse(features, targets, seen, 3, 0.1, threads=3)
    assert all(np.array_equal(one.weight, other.weight) for one, other in zip(found, again, strict=True))


def test_columns_that_never_occur_have_no_weight_and_all_others_some() -> None:
    inputs = np.random.default_rng(0).normal(size=(80, 50))
    inputs[np.abs(inputs) < 1] = 0
    inputs[:, [7, 21]] = 0
    targets, seen = np.random.default_rng(1).integers(3, size=80), np.ones((80, 1), bool)
    (sparse,) = solve_sparse(csr_array(inputs), targets, seen, 3, 0.1)
    assert not sparse.weight[:, [7, 21]].any()
    assert sparse.weight[:, [6, 20]].all()
    dense = solve(inputs, np.zeros((80, 3)), targets, ridge(3, 0.1 / 80, 0, None))
    assert sparse.logits(csr_array(inputs)) == pytest.approx(dense.logits(inputs), abs=1e-4)


def test_the_exponential_is_right_to_the_last_digits() -> None:
    numbers = -np.linspace(0, 600, 10_001)
    assert exp(numbers) == pytest.approx(np.exp(numbers), rel=1e-15)
    assert exp(np.array([-1e6])) < 1e-300
