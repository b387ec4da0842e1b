"""Fit with Lightning: the head to the end of its convex problem, all weights for so many epochs."""

import logging
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import Logger
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from quire.training.encoders import FEATURES, PRIOR_WEIGHTS, Head
from quire.training.zero_shot import Prior

Examples = Dataset[tuple[Tensor, ...]]  # pairs of an input and a target, an int64 scalar
Curves = list[dict[str, float]]  # an epoch's losses and accuracy


@dataclass(frozen=True)
class Schedule:
    """How long to fit. With `patience` until the objective stands still; `batch_size` None is the whole set at once."""

    epochs: int
    patience: int | None = None
    batch_size: int | None = None
    accelerator: str = "cpu"


@dataclass(frozen=True)
class Decay:
    """The ridges: of `Head.penalty` the first two, of `fit_weights` the last."""

    weight: float
    open: float
    prior: float


class Training(lightning.LightningModule):
    """Cross-entropy of a network's logits; keeps the curves, a row an epoch."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer, penalty: Callable[[], Tensor] | None) -> None:
        super().__init__()
        self.network, self.optimizer, self.penalty = network, optimizer, penalty
        self.curves: Curves = []

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """The loss of a batch, penalised where the optimizer has no weight decay of its own."""
        inputs, targets = batch  # (N, …), (N,) int64
        loss = cross_entropy(self.network(inputs), targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        objective = loss if self.penalty is None else loss + self.penalty()
        self.log("objective", objective, on_step=False, on_epoch=True)
        return objective

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Log loss and accuracy of a batch."""
        inputs, targets = batch
        logits = self.network(inputs)  # (N, C) float32
        self.log("validation_loss", cross_entropy(logits, targets), sync_dist=True)
        self.log("validation_accuracy", (logits.argmax(1) == targets).float().mean(), sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Keep the epoch's figures."""
        self.curves.append({name: float(value) for name, value in self.trainer.callback_metrics.items()})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer that was handed in."""
        return self.optimizer


def fit_head(
    head: Head, train: Examples, validation: Examples, decay: Decay, schedule: Schedule, logger: Logger | None = None
) -> Curves:
    """Fit a head on what the encoder gives, in place; returns the curves.

    Multinomial logistic regression: the problem is convex, so L-BFGS on the whole set needs few steps and no seed. The
    validation set is looked at for the curves only.
    """
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=5, line_search_fn="strong_wolfe")
    training = Training(head, optimizer, lambda: head.penalty(decay.weight, decay.open))
    return _fit(training, train, validation, schedule, logger)


def solve(classes: int, prior: Prior | None, inputs: Tensor, targets: Tensor, decay: Decay) -> Head:
    """A head at the bottom of the same convex problem: one of the many that are asked and never served.

    Inputs are (N, 1280 + 2·C) float32, targets (N,) int64. Solved in the space that the N features span, where the ridge
    keeps the answer (the representer theorem), and in double precision, so that the end does not hang on rounding.
    """
    exact = inputs.double()
    basis = torch.linalg.qr(exact[:, :FEATURES].T).Q  # (1280, M), M = min(N, 1280)
    small = Head(classes, prior, basis.shape[1]).double()
    reduced = torch.cat([exact[:, :FEATURES] @ basis, exact[:, FEATURES:]], 1)
    optimizer = torch.optim.LBFGS(small.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(small(reduced), targets) + small.penalty(decay.weight, decay.open)
        loss.backward()
        return loss

    optimizer.step(objective)
    head = Head(classes, prior)
    weight = small.linear.weight.detach() @ basis.T
    head.load_state_dict(small.state_dict() | {"linear.weight": weight})
    return head


def fine_tune(
    network: nn.Module,
    train: Examples,
    validation: Examples | None,
    learning_rate: float,
    schedule: Schedule,
    logger: Logger | None = None,
) -> Curves:
    """Fit all weights in place, from a head that is fitted already (Kumar et al. 2022); returns the curves.

    For all the epochs: a fold has no images to stop by, and the served network is fitted as the folds' are.
    """
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=learning_rate)
    return _fit(Training(network, optimizer, None), train, validation, schedule, logger)


def _fit(training: Training, train: Examples, validation: Examples | None, schedule: Schedule, logger: Logger | None) -> Curves:
    seen = None if validation is None else _loader(validation, schedule, shuffle=False)
    callbacks = [] if schedule.patience is None else [EarlyStopping("objective", patience=schedule.patience)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # advice on loader workers: the data are tensors
        _trainer(schedule, callbacks, logger).fit(training, _loader(train, schedule, shuffle=True), seen)
    training.network.cpu().eval()
    return training.curves


def _trainer(schedule: Schedule, callbacks: list[Any], logger: Logger | None) -> lightning.Trainer:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # its tips and its advertisements
    return lightning.Trainer(
        accelerator=schedule.accelerator,
        devices=1,
        max_epochs=schedule.epochs,
        callbacks=callbacks,
        logger=logger or False,
        deterministic=True,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_checkpointing=False,
        enable_progress_bar=logger is not None and sys.stdout.isatty(),
    )


def _loader(examples: Examples, schedule: Schedule, shuffle: bool) -> DataLoader[Any]:
    whole = schedule.batch_size is None
    size = len(examples) if schedule.batch_size is None else schedule.batch_size  # type: ignore[arg-type]
    return DataLoader(examples, batch_size=size, shuffle=shuffle and not whole)


class Augmented(Dataset[tuple[Tensor, ...]]):
    """Images, (S, S, 3) uint8 each, seen anew each epoch: cropped, mirrored, recoloured."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        image, target = self.examples[index]
        crop = v2.RandomResizedCrop(image.shape[0], (0.6, 1.0), antialias=True)
        augment = v2.Compose([crop, v2.RandomHorizontalFlip(), v2.ColorJitter(0.2, 0.2, 0.2)])
        return augment(image.permute(2, 0, 1)).permute(1, 2, 0), target


def fit_temperature(logits: NDArray[np.floating[Any]], targets: NDArray[np.int64]) -> float:
    """The temperature that calibrates (N, C) logits (Guo et al. 2017), T > 0.

    A standard normal prior on log T keeps it finite where the logits separate the classes.
    """

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(targets)), targets].sum() + log_temperature**2 / 2)

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))


def combined(logits: NDArray[np.float64], evidence: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """A head's logits (N, C) and the prior's evidence (N, 2, C) as `Head` combines them; weights (2,)."""
    return np.asarray(logits + (weights[:, None] * evidence).sum(1))


def fit_weights(
    logits: NDArray[np.float64], evidence: NDArray[np.float64], targets: NDArray[np.int64], decay: float
) -> NDArray[np.float64]:
    """What the prior weighs beside a head, (2,), not negative: by held-out logits (N, C) and the prior's evidence (N, 2, C).

    A ridge draws to the weights that it starts with.
    """
    start = np.array(PRIOR_WEIGHTS)

    def loss(weights: NDArray[np.float64]) -> float:
        shares = log_softmax(combined(logits, evidence, weights), axis=1)
        return float(-shares[np.arange(len(targets)), targets].mean() + decay * np.square(weights - start).sum())

    return np.asarray(minimize(loss, start, bounds=[(0, None)] * 2).x)
