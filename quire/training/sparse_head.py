"""Heads on sparse features: multinomial logistic regressions with ridge, the folds' solved at once where that costs nothing more.

By Newton's method, whose equations conjugate gradients solve as far as the next step needs it (Nash 2000; Lin, Weng and Keerthi
2008). Every sum is made of operations that all x86-64 processors round alike, for neither SciPy's sparse products nor NumPy's
additions go through BLAS, and the exponential is made of them too: so the same inputs give the same digits, however far it went.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, hstack

from quire.training.heads import GRID, Floats, Head

TOLERANCE = 1e-7  # of the gradient's length, against that of the first
STEPS, INNER = 50, 200  # of Newton, and of conjugate gradients for one of them, at most
TOGETHER = 32  # columns that are worked on at once: as many as cost little more than one
HALF, LEAST = 0.5, 2.0**-20  # a step is halved until the loss falls, and given up
LN2, LN2_HIGH = 0.6931471805599453, float.fromhex("0x1.62e42fee00000p-1")  # the second ends in zeros, so k times it is exact
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")


def solve_sparse(
    features: csr_array, targets: NDArray[np.int64], seen: NDArray[np.bool_], classes: int, strength: float, threads: int = 1
) -> list[Head]:
    """For each column of `seen`, (N, K) bool, the head that minimises the sum of the cross-entropies of the rows it names + ridge.

    Features (N, F), targets (N,); the ridge is `strength` times the sum of the squared weights, and the bias bears none. The
    weights lie on the grid.
    """
    columns, scale = _columns(features, classes)
    together = max(TOGETHER // classes, 1)
    with _Products(columns, threads) as products:
        parts = [seen[:, at : at + together] for at in range(0, seen.shape[1], together)]
        solutions = [_Problems.of(products, targets, part, classes, strength, scale).solve() for part in parts]
    used = np.unique(features.indices)
    found = [solution[:, number] * scale[:, None] for solution in solutions for number in range(solution.shape[1])]
    return [_head(weights, used, features.shape[1]) for weights in found]


def _columns(features: csr_array, classes: int) -> tuple[csr_array, Floats]:
    """The columns that occur and a last one of ones, each as long as makes the Hessian's diagonal 1; and these lengths, (M,).

    They differ a thousandfold in how often they occur, and conjugate gradients converge faster where they do not (Jacobi).
    """
    used = np.unique(features.indices)
    places = np.zeros(features.shape[1], np.int32)
    places[used] = np.arange(len(used))
    compact = csr_array((features.data, places[features.indices], features.indptr), shape=(features.shape[0], len(used)))
    whole = csr_array(hstack([compact, csr_array(np.ones((features.shape[0], 1)))]))
    squares = np.bincount(whole.indices, whole.data**2, whole.shape[1]) / features.shape[0]
    scale = 1 / np.sqrt(squares * (1 - 1 / classes) / classes + 1e-6)
    return csr_array(whole @ diags_array(scale)), scale


def _head(weights: Floats, used: NDArray[np.int32], width: int) -> Head:
    """Weights (M, C), whose last row is the bias, on the grid and in their columns."""
    weight = np.zeros((weights.shape[1], width))
    weight[:, used] = np.round(weights[:-1].T * GRID) / GRID
    return Head(weight, np.round((weights[-1] - weights[-1].mean()) * GRID) / GRID)


class _Products:
    """Products with a sparse matrix (N, M) and its transpose, blocks of rows on threads; the sums do not depend on the blocks."""

    def __init__(self, matrix: csr_array, threads: int) -> None:
        self.shape = matrix.shape
        self.pool = ThreadPoolExecutor(threads)
        self.rows, self.columns = (_blocks(each, threads) for each in (matrix, csr_array(matrix.T)))

    def __enter__(self) -> "_Products":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()

    def forward(self, weights: Floats) -> Floats:
        """(M, K, C) → (N, K, C)."""
        return self._product(self.rows, weights)

    def back(self, errors: Floats) -> Floats:
        """(N, K, C) → (M, K, C)."""
        return self._product(self.columns, errors)

    def _product(self, blocks: Sequence[csr_array], dense: Floats) -> Floats:
        flat = np.ascontiguousarray(dense.reshape(len(dense), -1))
        found = list(self.pool.map(lambda block: block @ flat, blocks))
        return np.concatenate(found).reshape(-1, *dense.shape[1:])


def _blocks(matrix: csr_array, count: int) -> list[csr_array]:
    ends = np.searchsorted(matrix.indptr, np.linspace(0, matrix.nnz, count + 1)[1:-1])
    places = [0, *ends.tolist(), matrix.shape[0]]
    return [csr_array(matrix[start:end]) for start, end in pairwise(places)]


@dataclass(frozen=True)
class _Problems:
    """K problems on the same rows, each of which sees some of them. Weights are (M, K, C), of columns that have been scaled."""

    products: _Products
    chosen: Floats  # (N, K, C), 1 at a row's label where the row is seen
    seen: Floats  # (N, K, 1), 1 or 0
    ridges: Floats  # (M, 1, 1), twice the ridge on each weight

    @classmethod
    def of(
        cls, products: _Products, targets: NDArray[np.int64], seen: NDArray[np.bool_], classes: int, strength: float, scale: Floats
    ) -> "_Problems":
        ridges = 2 * strength * scale**2
        ridges[-1] = 0
        shown = seen[:, :, None].astype(np.float64)
        return cls(products, np.eye(classes)[targets][:, None] * shown, shown, ridges[:, None, None])

    def solve(self) -> Floats:
        weights = np.zeros((self.products.shape[1], *self.chosen.shape[1:]))
        logits, first = np.zeros_like(self.chosen), np.zeros(self.chosen.shape[1])
        for _ in range(STEPS):
            shares = _softmax(logits)
            gradient = self.products.back((shares * self.seen) - self.chosen) + self.ridges * weights
            length = np.sqrt(_dot(gradient, gradient))  # (K,)
            first = np.maximum(first, length)
            going = length > TOLERANCE * first
            if not going.any():
                break
            goal = length * np.minimum(0.1, np.sqrt(length / first))  # (K,), as exact as the step is good (Dembo and Steihaug 1983)
            direction = self._direction(shares, gradient, np.where(going, goal, np.inf))
            change = self.products.forward(direction)
            size = self._size(weights, logits, direction, change, _dot(gradient, direction))[:, None]
            weights, logits = weights + size * direction, logits + size * change
        return weights

    def _direction(self, shares: Floats, gradient: Floats, goal: Floats) -> Floats:
        """−H⁻¹ g by conjugate gradients, each problem's until what is left is as short as its goal, (K,)."""
        direction, left = np.zeros_like(gradient), -gradient
        along, square = left, _dot(left, left)
        for _ in range(INNER):
            going = np.sqrt(square) > goal
            if not going.any():
                break
            curved = self._hessian(shares, along)
            step = np.where(going, square / np.maximum(_dot(along, curved), 1e-300), 0)[:, None]
            direction, left = direction + step * along, left - step * curved
            new = _dot(left, left)
            along = left + (new / np.maximum(square, 1e-300))[:, None] * along
            square = new
        return direction

    def _hessian(self, shares: Floats, direction: Floats) -> Floats:
        """Xᵀ(p ∘ (s − Σ p s)) + the ridge's part, s = X d."""
        steps = self.products.forward(direction)
        steps = shares * (steps - (shares * steps).sum(2, keepdims=True)) * self.seen
        return self.products.back(steps) + self.ridges * direction

    def _size(self, weights: Floats, logits: Floats, direction: Floats, change: Floats, slope: Floats) -> Floats:
        """How far to go, (K,): all the way, or half of it again and again until the loss falls enough (Armijo 1966)."""
        size, before = np.ones(len(slope)), self._loss(weights, logits)
        while True:
            tried = size[:, None]
            loss = self._loss(weights + tried * direction, logits + tried * change)
            bad = loss > before + 1e-4 * size * slope + 1e-12 * np.abs(before)
            if not bad.any() or size.min() < LEAST:
                return size
            size = np.where(bad, HALF * size, size)

    def _loss(self, weights: Floats, logits: Floats) -> Floats:
        """(K,)."""
        highest = logits.max(2, keepdims=True)
        logs = np.log(exp(logits - highest).sum(2, keepdims=True)) + highest  # (N, K, 1)
        entropy = (logs * self.seen).sum((0, 2)) - (logits * self.chosen).sum((0, 2))
        return np.asarray(entropy + (self.ridges * weights**2).sum((0, 2)) / 2)


def _dot(one: Floats, other: Floats) -> Floats:
    """The products of K pairs of weights, (M, K, C) each: (K,)."""
    return np.asarray((one * other).sum((0, 2)))


def _softmax(logits: Floats) -> Floats:
    shares = exp(logits - logits.max(2, keepdims=True))
    return np.asarray(shares / shares.sum(2, keepdims=True))


def exp(numbers: Floats) -> Floats:
    """The exponential of numbers up to 0, the same digits on every machine: 2ᵏ · eʳ, |r| ≤ ln 2 / 2, by Taylor's series."""
    numbers = np.maximum(numbers, -700.0)
    powers = np.rint(numbers / LN2)
    rest = numbers - powers * LN2_HIGH - powers * LN2_LOW
    series = np.full_like(rest, 1 / 13)
    for number in range(12, 0, -1):
        series *= rest
        series += 1
        series /= number
    return np.ldexp(series * rest + 1, powers.astype(np.int32))
