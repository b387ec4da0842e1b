"""The head: multinomial logistic regression on an encoder's features, solved to the last digit. A text's: `sparse_head.py`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import log_softmax, softmax

from quire.training.rows import CHUNK, Matrix, chunks

Floats = NDArray[np.float64]

GRID = 2.0**20  # steps of a unit on which weights are written: every machine's last digits fall on the same step
TOLERANCE = 1e-14  # of the gradient's largest entry
NEWTON_STEPS = 10
HELD = 2**28  # bytes of features that are held in memory while they are worked on; more are read anew each time


@dataclass(frozen=True)
class Head:
    """A linear layer: weight (C, F), bias (C,)."""

    weight: Floats
    bias: Floats

    def logits(self, features: Matrix | csr_array) -> Floats:
        """(N, F) → (N, C) float64."""
        if isinstance(features, csr_array):
            return np.asarray(features @ self.weight.T + self.bias)
        return np.concatenate([chunk @ self.weight.T + self.bias for chunk in chunks(features)])


def ridge(classes: int, weight_decay: float, named_against_background: float, background: int | None) -> Floats:
    """The ridge as a matrix K, (C, C): the penalty of a head is tr(Wᵀ K W), W its weight.

    With o the unit vector of the named labels against the background, K = λ·I + (λ_o − λ)·o oᵀ: λ everywhere, but λ_o where the
    head speaks on whether it is any of the named labels, a question that few labelled backgrounds cannot cover.
    """
    if background is None:
        return weight_decay * np.eye(classes)
    direction = np.ones(classes)
    direction[background] = 1 - classes
    direction /= np.linalg.norm(direction)
    return weight_decay * np.eye(classes) + (named_against_background - weight_decay) * np.outer(direction, direction)


def solve(features: Matrix, offsets: Floats, targets: NDArray[np.int64], penalty: Floats, start: Head | None = None) -> Head:
    """The head that minimises mean cross-entropy + tr(Wᵀ K W) beside fixed `offsets`, on the grid.

    Features (N, F), offsets (N, C) float64, targets (N,), penalty K (C, C). By L-BFGS, then by Newton steps whose equations
    conjugate gradients solve, until the gradient is below TOLERANCE. The bias bears no ridge; its mean is 0.
    """
    problem = _Regression.of(features, offsets, targets, penalty)
    first = np.zeros((len(penalty), problem.inputs.shape[1] + 1)) if start is None else problem.weights_of(start)
    options = {"maxiter": 500, "maxcor": 20, "gtol": 1e-7, "ftol": 0}
    found = minimize(problem.loss_and_gradient, first.ravel(), jac=True, method="L-BFGS-B", options=options)  # type: ignore[call-overload]
    solution: Floats = found.x
    for _ in range(NEWTON_STEPS):
        gradient = problem.loss_and_gradient(solution)[1]
        if np.abs(gradient).max() < TOLERANCE:
            break
        solution = solution - problem.newton_step(solution, gradient)
    head = problem.head_of(solution)
    return Head(np.round(head.weight * GRID) / GRID, np.round(head.bias * GRID) / GRID)


@dataclass(frozen=True)
class _Regression:
    """The problem about the features' mean, its weights in a basis of what the features span.

    There the solution lies (the representer theorem), so M, the numbers sought of a label, is N at most.
    """

    inputs: Matrix  # (N, M): moved by the mean and in the basis, or as they lie in files
    shift: Floats  # (M,), what they are yet to be moved by
    centre: Floats  # (F,), the mean
    basis: Floats  # (F, M)
    offsets: Floats  # (N, C)
    targets: NDArray[np.int64]  # (N,)
    penalty: Floats  # (C, C)

    @classmethod
    def of(cls, features: Matrix, offsets: Floats, targets: NDArray[np.int64], penalty: Floats) -> "_Regression":
        count, width = features.shape
        centre, inputs = sum(chunk.sum(0) for chunk in chunks(features)) / count, features
        basis = np.eye(width)
        if max(count, width) * width * 8 <= HELD:
            inputs = np.asarray(features, np.float64) - centre
            if count < width:
                basis = np.linalg.qr(inputs.T).Q
                inputs = inputs @ basis
        shift = np.zeros(inputs.shape[1]) if inputs is not features else centre
        return cls(inputs, shift, centre, basis, offsets, targets, penalty)

    def weights_of(self, head: Head) -> Floats:
        """A head as what is sought, (C, M + 1)."""
        return np.column_stack([head.weight @ self.basis, head.bias + head.weight @ self.centre])

    def head_of(self, flat: Floats) -> Head:
        """The head that is found."""
        weights = self._weights(flat)
        weight = weights[:, :-1] @ self.basis.T
        bias = weights[:, -1] - weight @ self.centre
        return Head(weight, bias - bias.mean())

    def _weights(self, flat: Floats) -> Floats:
        return flat.reshape(len(self.penalty), -1)  # (C, M + 1)

    def _logits(self, weights: Floats) -> Floats:
        """The inputs times weights (C, M + 1), (N, C)."""
        weight, bias = weights[:, :-1], weights[:, -1]
        return np.concatenate([chunk @ weight.T for chunk in chunks(self.inputs)]) + (bias - weight @ self.shift)

    def _transposed(self, errors: Floats) -> Floats:
        """Errors (N, C) times the inputs, (C, M + 1)."""
        starts, total = range(0, max(len(errors), 1), CHUNK), errors.sum(0)[:, None]
        sums = sum(errors[at : at + CHUNK].T @ chunk for at, chunk in zip(starts, chunks(self.inputs), strict=True))
        return np.column_stack([sums - total * self.shift, total])

    def _decay(self, weights: Floats) -> Floats:
        """The ridge's gradient, (C, M + 1). A bias bears none, but the mean of all: else nothing would say what it is."""
        return np.column_stack([2 * self.penalty @ weights[:, :-1], np.full(len(weights), 2 * weights[:, -1].mean())])

    def loss_and_gradient(self, flat: Floats) -> tuple[float, Floats]:
        weights = self._weights(flat)
        logs, rows = log_softmax(self._logits(weights) + self.offsets, axis=1), np.arange(len(self.targets))  # (N, C)
        errors = np.exp(logs)
        errors[rows, self.targets] -= 1
        decay = self._decay(weights)
        loss = -logs[rows, self.targets].mean() + (decay * weights).sum() / 2
        return float(loss), (self._transposed(errors) / len(rows) + decay).ravel()

    def newton_step(self, flat: Floats, gradient: Floats) -> Floats:
        """H⁻¹ g by conjugate gradients; H v = Xᵀ(p ∘ (s − Σ p s))/N + the ridge's part, s = X v."""
        shares = softmax(self._logits(self._weights(flat)) + self.offsets, axis=1)  # (N, C)

        def hessian(direction: Floats) -> Floats:
            weights = self._weights(direction)
            steps = self._logits(weights)
            steps = shares * (steps - (shares * steps).sum(1, keepdims=True))
            return np.asarray(self._transposed(steps) / len(shares) + self._decay(weights)).ravel()

        operator = LinearOperator((len(flat), len(flat)), matvec=hessian, dtype=np.float64)
        return np.asarray(cg(operator, gradient, rtol=1e-10, atol=TOLERANCE / 10, maxiter=500)[0])
