"""The head: multinomial logistic regression on an encoder's features or a text's n-grams, solved to the last digit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import log_softmax, softmax

from quire.training.rows import CHUNK, Matrix, chunks

Floats = NDArray[np.float64]
Inputs = Matrix | csr_array  # (N, F), dense or sparse

GRID = 2.0**20  # steps of a unit on which weights are written: every machine's last digits fall on the same step
TOLERANCE = 1e-14  # of the gradient's largest entry
NEWTON_STEPS = 10
HELD = 2**28  # bytes of features that are held in memory while they are worked on; more are read anew each time


@dataclass(frozen=True)
class Head:
    """A linear layer: weight (C, F), bias (C,)."""

    weight: Floats
    bias: Floats

    def logits(self, features: Inputs) -> Floats:
        """(N, F) → (N, C) float64."""
        return _product(features, self.weight.T) + self.bias


def _product(inputs: Inputs, weight: Floats) -> Floats:
    """(N, F) times (F, C)."""
    if isinstance(inputs, csr_array):
        return np.asarray(inputs @ weight)
    return np.concatenate([chunk @ weight for chunk in chunks(inputs)])


def _transposed_product(inputs: Inputs, errors: Floats) -> Floats:
    """(N, C), transposed, times (N, F): (C, F)."""
    if isinstance(inputs, csr_array):
        return np.asarray((inputs.T @ errors).T)
    starts = range(0, max(len(errors), 1), CHUNK)
    products = (errors[at : at + CHUNK].T @ chunk for at, chunk in zip(starts, chunks(inputs), strict=True))
    return np.asarray(sum(products))


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

    There the solution lies (the representer theorem), so M, the numbers sought of a label, is N at most. Sparse features stay
    where they are, for moving them would fill them. Of them the basis is the columns that occur, each as long as makes the
    Hessian's diagonal 1 before anything is known: they differ a thousandfold in how often they occur, and all methods converge
    faster where they do not (Jacobi).
    """

    inputs: Inputs  # (N, M): moved by the mean and in the basis, or as they lie in files
    shift: Floats  # (M,), what they are yet to be moved by
    centre: Floats  # (F,), the mean
    basis: Floats | csr_array  # (F, M)
    ridges: Floats  # (M,), the squared lengths of the basis, which the ridge is multiplied by
    offsets: Floats  # (N, C)
    targets: NDArray[np.int64]  # (N,)
    penalty: Floats  # (C, C)

    @classmethod
    def of(cls, features: Inputs, offsets: Floats, targets: NDArray[np.int64], penalty: Floats) -> "_Regression":
        if isinstance(features, csr_array):
            columns, ridges = _columns(features, penalty)
            none = np.zeros(features.shape[1])
            return cls(csr_array(features @ columns), none[: len(ridges)], none, columns, ridges, offsets, targets, penalty)
        count, width = features.shape
        centre = sum(chunk.sum(0) for chunk in chunks(features)) / count
        if max(count, width) * width * 8 > HELD:
            return cls(features, centre, centre, np.eye(width), np.ones(width), offsets, targets, penalty)
        inputs, basis = np.asarray(features, np.float64) - centre, np.eye(width)
        if count < width:
            basis = np.linalg.qr(inputs.T).Q
            inputs = inputs @ basis
        none = np.zeros(inputs.shape[1])
        return cls(inputs, none, centre, basis, none + 1, offsets, targets, penalty)

    def weights_of(self, head: Head) -> Floats:
        """A head as what is sought, (C, M + 1)."""
        return np.column_stack([head.weight @ self.basis / self.ridges, head.bias + head.weight @ self.centre])

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
        return _product(self.inputs, weight.T) + (bias - weight @ self.shift)

    def _transposed(self, errors: Floats) -> Floats:
        """Errors (N, C) times the inputs, (C, M + 1)."""
        total = errors.sum(0)[:, None]
        return np.column_stack([_transposed_product(self.inputs, errors) - total * self.shift, total])

    def _decay(self, weights: Floats) -> Floats:
        """The ridge's gradient, (C, M + 1). A bias bears none, but the mean of all: else nothing would say what it is."""
        return np.column_stack([2 * self.penalty @ weights[:, :-1] * self.ridges, np.full(len(weights), 2 * weights[:, -1].mean())])

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


def _columns(features: csr_array, penalty: Floats) -> tuple[csr_array, Floats]:
    """The columns of sparse features (N, F) that occur as a basis, (F, M), and its squared lengths, (M,)."""
    shares = np.asarray(features.power(2).mean(0)) * (1 - 1 / len(penalty)) / len(penalty)  # (F,)
    seen = np.unique(features.indices)
    ridges = 1 / (shares[seen] + 2 * np.diag(penalty).mean())
    return csr_array((np.sqrt(ridges), (seen, np.arange(len(seen)))), shape=(features.shape[1], len(seen))), ridges
