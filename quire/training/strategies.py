"""Training strategies: on a frozen encoder, or with all its weights fine-tuned; the same for each fold and each protocol."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning.loggers import Logger
from threadpoolctl import threadpool_limits
from torch import Tensor

from quire.training.encoders import ImageEncoder
from quire.training.familiarity import Nearest, spread
from quire.training.heads import Floats, Head, ridge, solve
from quire.training.pooling import START, pooled
from quire.training.rows import Matrix, Squares, chunks
from quire.training.trainer import Curves, Labelled, Network, Schedule, encode, fine_tune
from quire.training.zero_shot import ZeroShot


@dataclass(frozen=True)
class Plan:
    """What a fit minimises and which labels there are."""

    classes: int
    background: int | None  # the label that is what no other names
    weight_decay: float
    named_against_background: float  # the ridge where the head speaks on that
    quantile: float  # the share of held-out images that lie within the training images' reach, see `fit_damping`
    experts: ZeroShot | None

    @property
    def penalty(self) -> Floats:
        """The head's ridge, (C, C)."""
        return ridge(self.classes, self.weight_decay, self.named_against_background, self.background)


@dataclass(frozen=True)
class Fitted:
    """A head, and what it and the other experts read of all N images."""

    head: Head
    features: Matrix  # (N, F)
    zero_shot: Floats  # (N, 2, C): which, any; 0 without these experts
    nearest: Nearest


@dataclass(frozen=True)
class Frozen:
    """A head on a frozen encoder's features (N, F) and class probabilities (N, 1000)."""

    plan: Plan
    features: Matrix
    probabilities: Matrix

    def zero_shot(self, probabilities: Matrix) -> Floats:
        """The zero-shot experts' logits, (N, 2, C)."""
        if self.plan.experts is None:
            return np.zeros((len(probabilities), 2, self.plan.classes))
        experts = self.plan.experts.double()
        return np.concatenate([experts(torch.from_numpy(chunk)).numpy() for chunk in chunks(probabilities)])

    def offsets(self, probabilities: Matrix) -> Floats:
        """What the head is fitted beside, (N, C): the zero-shot experts at their starting weights."""
        return pooled(self.zero_shot(probabilities), START[1:])

    def fit(self, targets: NDArray[np.int64], train: NDArray[np.bool_], start: Head | None = None) -> Fitted:
        """Fit on `train`, (N,) bool; targets are (N,)."""
        features, probabilities = self.encoded(targets, train)
        head = solve(features[train], self.offsets(probabilities[train]), targets[train], self.plan.penalty, start)
        compared = np.flatnonzero(train)[spread(targets[train])]
        near = torch.from_numpy(np.asarray(features[compared])), torch.from_numpy(targets[compared])
        nearest = Nearest(*near, self.plan.classes, self.plan.background)
        return Fitted(head, features, self.zero_shot(probabilities), nearest)

    def encoded(self, targets: NDArray[np.int64], train: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:  # noqa: ARG002 - see FineTuned
        """Features (N, F) and class probabilities (N, 1000) of all images, by an encoder that saw `train` at most."""
        return self.features, self.probabilities

    def of(self, chosen: NDArray[np.bool_]) -> "Frozen":
        """The strategy on some of the images, (N,) bool."""
        return replace(self, features=self.features[chosen], probabilities=self.probabilities[chosen])

    def head_alone(self) -> "Frozen":
        """A frozen encoder's head without the zero-shot experts."""
        return Frozen(replace(self.plan, experts=None, background=None), self.features, self.probabilities)


@dataclass(frozen=True)
class FineTuned(Frozen):
    """From that head on all weights, so each fit has an encoder of its own, which reads the images from their file."""

    encoder: ImageEncoder
    images: Squares
    learning_rate: float
    schedule: Schedule
    threads: int
    seed: int

    def encoded(self, targets: NDArray[np.int64], train: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """By an encoder that is fine-tuned on `train`."""
        network, _ = self.tuned(targets, train)
        with limited_to(self.threads):
            return encode(network.encoder, self.images, torch.device("cuda" if self.schedule.accelerator == "gpu" else "cpu"))

    def tuned(
        self,
        targets: NDArray[np.int64],
        train: NDArray[np.bool_],
        seen: NDArray[np.bool_] | None = None,
        logger: Logger | None = None,
    ) -> tuple[Network, Curves]:
        """The network fine-tuned on `train`, and its curves, with those of `seen` as the validation set."""
        offsets = self.offsets(self.probabilities[train])
        head = solve(self.features[train], offsets, targets[train], self.plan.penalty)
        network = Network(copy.deepcopy(self.encoder), head, self._offsets)
        examples = [None if rows is None else self._examples(targets, rows) for rows in (train, seen)]
        assert examples[0]
        torch.manual_seed(self.seed)
        with limited_to(self.threads):
            curves = fine_tune(network, examples[0], examples[1], self.learning_rate, self.schedule, logger)
        return network, curves

    def _examples(self, targets: NDArray[np.int64], rows: NDArray[np.bool_]) -> Labelled:
        return Labelled(self.images[rows], torch.from_numpy(targets[rows]))

    def _offsets(self, probabilities: Tensor) -> Tensor:
        if self.plan.experts is None:
            return torch.zeros(len(probabilities), self.plan.classes, device=probabilities.device)
        experts = copy.deepcopy(self.plan.experts).float().to(probabilities.device)
        weights = torch.tensor(START[1:], dtype=torch.float32, device=probabilities.device)
        offsets: Tensor = (weights[:, None] * experts(probabilities)).sum(1)
        return offsets

    def of(self, chosen: NDArray[np.bool_]) -> "FineTuned":
        """The strategy on some of the images, (N,) bool."""
        kept = replace(self, features=self.features[chosen], probabilities=self.probabilities[chosen])
        return replace(kept, images=self.images[chosen])


@contextmanager
def limited_to(threads: int) -> Iterator[None]:
    """So many threads; one for problems so small that threads would spend their time waiting for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)
