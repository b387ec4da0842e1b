"""The head: multinomial logistic regression on an encoder's features or a text's n-grams, solved to the last digit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array, hstack
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import log_softmax

Floats = NDArray[np.float64]
Inputs = Floats | csr_array  # (N, F), dense or sparse

GRID = 2.0**20  # steps of a unit on which weights are written: every machine's last digits fall on the same step
TOLERANCE = 1e-14  # of the gradient's largest entry
NEWTON_STEPS = 10


@dataclass(frozen=True)
class Head:
    """A linear layer: weight (C, F), bias (C,)."""

    weight: Floats
    bias: Floats

    def logits(self, features: Inputs) -> Floats:
        """(N, F) → (N, C) float64."""
        return np.asarray(features @ self.weight.T + self.bias)


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


def solve(features: Inputs, offsets: Floats, targets: NDArray[np.int64], penalty: Floats, start: Head | None = None) -> Head:
    """The head that minimises mean cross-entropy + tr(Wᵀ K W) beside fixed `offsets`, on the grid.

    Features (N, F), offsets (N, C) float64, targets (N,), penalty K (C, C). The solution lies in the space that the features
    span (the representer theorem), so no more numbers a label are sought than it has dimensions: by L-BFGS, then by Newton steps
    whose equations conjugate gradients solve, until the gradient is below TOLERANCE. The bias bears no ridge; its mean is 0.
    """
    basis, ridges = _basis(features, penalty)  # (F, M), (M,)
    problem = _Regression(_with_ones(features @ basis), offsets, targets, penalty, ridges)
    first = np.zeros((offsets.shape[1], len(ridges) + 1))
    if start is not None:
        first[:] = np.column_stack([start.weight @ basis / ridges, start.bias])
    options = {"maxiter": 500, "maxcor": 20, "gtol": 1e-7, "ftol": 0}
    found = minimize(problem.loss_and_gradient, first.ravel(), jac=True, method="L-BFGS-B", options=options)  # type: ignore[call-overload]
    solution: Floats = found.x
    for _ in range(NEWTON_STEPS):
        gradient = problem.loss_and_gradient(solution)[1]
        if np.abs(gradient).max() < TOLERANCE:
            break
        solution = solution - problem.newton_step(solution, gradient)
    weights = solution.reshape(first.shape)
    weight, bias = weights[:, :-1] @ basis.T, weights[:, -1] - weights[:, -1].mean()
    return Head(np.round(weight * GRID) / GRID, np.round(bias * GRID) / GRID)


def _basis(features: Inputs, penalty: Floats) -> tuple[Inputs, Floats]:
    """What spans the features, (F, M), and its columns' squared lengths, (M,), which the ridge is multiplied by.

    Of sparse features the columns that occur, each as long as makes the Hessian's diagonal 1 before anything is known: they
    differ a thousandfold in how often they occur, and all methods converge faster where they do not (Jacobi).
    """
    if isinstance(features, csr_array):
        shares = np.asarray(features.power(2).mean(0)) * (1 - 1 / len(penalty)) / len(penalty)  # (F,)
        seen = np.unique(features.indices)
        ridges = 1 / (shares[seen] + 2 * np.diag(penalty).mean())
        return csr_array((np.sqrt(ridges), (seen, np.arange(len(seen)))), shape=(features.shape[1], len(seen))), ridges
    basis = np.linalg.qr(features.T).Q if len(features) < features.shape[1] else np.eye(features.shape[1])
    return basis, np.ones(basis.shape[1])


def _with_ones(inputs: Inputs) -> Inputs:
    ones = np.ones((inputs.shape[0], 1))
    return csr_array(hstack([inputs, csr_array(ones)])) if isinstance(inputs, csr_array) else np.column_stack([inputs, ones])


@dataclass(frozen=True)
class _Regression:
    inputs: Inputs  # (N, M + 1), the last column is 1
    offsets: Floats  # (N, C)
    targets: NDArray[np.int64]  # (N,)
    penalty: Floats  # (C, C)
    ridges: Floats  # (M,)

    def _weights(self, flat: Floats) -> Floats:
        return flat.reshape(len(self.penalty), -1)  # (C, M + 1)

    def _log_probabilities(self, weights: Floats) -> Floats:
        return np.asarray(log_softmax(self.inputs @ weights.T + self.offsets, axis=1))  # (N, C)

    def _decay(self, weights: Floats) -> Floats:
        decay = 2 * self.penalty @ weights
        decay[:, :-1] *= self.ridges
        decay[:, -1] = 0
        return np.asarray(decay)

    def loss_and_gradient(self, flat: Floats) -> tuple[float, Floats]:
        weights = self._weights(flat)
        logs, rows = self._log_probabilities(weights), np.arange(len(self.targets))
        errors = np.exp(logs)
        errors[rows, self.targets] -= 1
        decay = self._decay(weights)
        loss = -logs[rows, self.targets].mean() + (decay[:, :-1] * weights[:, :-1]).sum() / 2
        return float(loss), (errors.T @ self.inputs / len(rows) + decay).ravel()

    def newton_step(self, flat: Floats, gradient: Floats) -> Floats:
        """H⁻¹ g by conjugate gradients; H v = Xᵀ(p ∘ (s − Σ p s))/N + the ridge's part, s = X v."""
        shares = np.exp(self._log_probabilities(self._weights(flat)))  # (N, C)

        def hessian(direction: Floats) -> Floats:
            weights = self._weights(direction)
            steps = self.inputs @ weights.T  # (N, C)
            steps = shares * (steps - (shares * steps).sum(1, keepdims=True))
            return np.asarray(steps.T @ self.inputs / len(shares) + self._decay(weights)).ravel()

        operator = LinearOperator((len(flat), len(flat)), matvec=hessian, dtype=np.float64)
        return np.asarray(cg(operator, gradient, rtol=1e-10, atol=TOLERANCE / 10, maxiter=500)[0])
