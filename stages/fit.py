"""Fit with Lightning: early stopping and the best weights by the validation loss, never by the test set."""

import logging
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import Logger
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

Examples = Dataset[tuple[Tensor, ...]]  # pairs of an input and a target, an int64 scalar
Curves = list[dict[str, float]]  # an epoch's losses and accuracy


@dataclass(frozen=True)
class Schedule:
    """How long to fit and when to stop. `batch_size` None is the whole set at once."""

    epochs: int
    patience: int
    batch_size: int | None = None
    accelerator: str = "cpu"


class Training(lightning.LightningModule):
    """Cross-entropy of a network's logits; keeps the curves, a row an epoch."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer, penalised: Tensor | None, penalty: float) -> None:
        super().__init__()
        self.network, self.optimizer, self.penalised, self.penalty = network, optimizer, penalised, penalty
        self.curves: Curves = []

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """The loss of a batch, penalised where the optimizer has no weight decay of its own."""
        inputs, targets = batch  # (N, …), (N,) int64
        loss = cross_entropy(self.network(inputs), targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss if self.penalised is None else loss + self.penalty * self.penalised.square().sum()

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
    head: nn.Linear, train: Examples, validation: Examples, weight_decay: float, schedule: Schedule, logger: Logger | None = None
) -> Curves:
    """Fit a linear head on features in place; returns the curves.

    Multinomial logistic regression: the problem is convex, so L-BFGS on the whole set needs few steps and no seed.
    """
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=5, line_search_fn="strong_wolfe")
    return _fit(Training(head, optimizer, head.weight, weight_decay), train, validation, schedule, logger)


def fine_tune(
    network: nn.Module,
    train: Examples,
    validation: Examples,
    learning_rate: float,
    schedule: Schedule,
    logger: Logger | None = None,
) -> Curves:
    """Fit all weights in place, from a head that is fitted already (Kumar et al. 2022); returns the curves."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate)
    return _fit(Training(network, optimizer, None, 0.0), train, validation, schedule, logger)


def _fit(training: Training, train: Examples, validation: Examples, schedule: Schedule, logger: Logger | None) -> Curves:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # advice on loader workers: the data are tensors
        best = ModelCheckpoint(Path(folder), monitor="validation_loss", save_weights_only=True, enable_version_counter=False)
        trainer = _trainer(schedule, [best, EarlyStopping("validation_loss", patience=schedule.patience)], logger)
        trainer.fit(training, _loader(train, schedule, shuffle=True), _loader(validation, schedule, shuffle=False))
        training.load_state_dict(torch.load(best.best_model_path, weights_only=True)["state_dict"])
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


def fit_temperature(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """The temperature that calibrates (N, C) logits (Guo et al. 2017), T > 0.

    A standard normal prior on log T keeps it finite where the validation set is separable; with 15 images it often is.
    """

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(targets)), targets].sum() + log_temperature**2 / 2)

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))
