"""How a model is fitted: the same for each fold and each protocol, and to the same end as the served one."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning.loggers import Logger
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.utils.data import TensorDataset

from quire.training.encoders import FEATURES, Encoder, Head, Network
from quire.training.familiarity import Nearest
from quire.training.heads import Augmented, Curves, Decay, Examples, Schedule, fine_tune, solve
from quire.training.zero_shot import Prior


@dataclass(frozen=True)
class Recipe:
    """A head on the frozen backbone."""

    classes: int
    prior: Prior | None
    rest: int | None  # the label that is what nothing names
    decay: Decay
    familiar: float  # the share of held-out images within the head's reach

    def fit(self, inputs: Tensor, targets: NDArray[np.int64], train: NDArray[np.bool_]) -> tuple[Head, Tensor]:
        """A head fitted on `train`, (N,) bool, and what it reads of all N images.

        Inputs are (N, 1280 + 2·C) of the frozen backbone, or (N, 1280) without a prior, and so is what is read.
        """
        return solve(self.classes, self.prior, inputs[train], torch.from_numpy(targets[train]), self.decay), inputs

    def alone(self) -> "Recipe":
        """The head without the prior: it reads the features, (N, 1280)."""
        return Recipe(self.classes, None, None, self.decay, self.familiar)

    def nearest(self, inputs: Tensor, targets: NDArray[np.int64], train: NDArray[np.bool_]) -> Nearest:
        """The unfamiliarity score whose training images are `train`, (N,) bool."""
        return Nearest(inputs[train][:, :FEATURES], torch.from_numpy(targets[train]), self.classes, self.rest)


@dataclass(frozen=True)
class FineTuning(Recipe):
    """From that head on, all weights; so each fit reads the images, (N, S, S, 3) uint8, with an encoder of its own."""

    encoder: Encoder
    images: NDArray[np.uint8]
    learning_rate: float
    schedule: Schedule
    device: torch.device
    threads: int
    seed: int

    def fit(self, inputs: Tensor, targets: NDArray[np.int64], train: NDArray[np.bool_]) -> tuple[Head, Tensor]:
        """As `Recipe.fit`; what the head reads comes from the weights that were fitted with it."""
        head, _ = super().fit(inputs, targets, train)
        network = Network(copy.deepcopy(self.encoder), head)
        examples = TensorDataset(torch.from_numpy(self.images[train]), torch.from_numpy(targets[train]))
        self.tune(network, examples)
        with limited_to(self.threads):
            return head, network.encoder.to(self.device).encode(self.images)

    def tune(self, network: Network, train: Examples, validation: Examples | None = None, logger: Logger | None = None) -> Curves:
        """Fit all weights of a network whose head is fitted, in place; returns the curves."""
        torch.manual_seed(self.seed)
        with limited_to(self.threads):
            return fine_tune(network, Augmented(train), validation, self.learning_rate, self.schedule, logger)


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
