"""What Lightning fits: the head's curves on the training set, and all weights of the encoder when fine-tuning."""

import logging
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from quire.training.encoders import ImageEncoder
from quire.training.heads import Floats, Head
from quire.training.rows import Squares

Examples = Dataset[tuple[Tensor, ...]]  # pairs of an input and a target, an int64 scalar
STANDS_STILL = 1e-5  # an epoch that lowers the objective by less does not count
Curves = list[dict[str, float]]  # an epoch's losses and accuracy


@dataclass(frozen=True)
class Schedule:
    """How long to fit. With `patience` until the objective stands still; `batch_size` None is the whole set at once."""

    epochs: int
    patience: int | None = None
    batch_size: int | None = None
    accelerator: str = "cpu"
    workers: int = 0  # processes that read and augment for a GPU; a CPU has its hands full


class LinearHead(nn.Module):
    """A head beside fixed offsets, starting at zero: (N, F + C) → (N, C); the last C inputs are added to its logits.

    In double precision, so that what two machines sum in another order is equal when it is rounded.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes, dtype=torch.float64)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, F + C) float64 → (N, C) float64 logits."""
        features = self.linear.in_features
        logits: Tensor = self.linear(inputs[:, :features]) + inputs[:, features:]
        return logits

    def head(self) -> Head:
        """Its weights as they are now."""
        weight, bias = (each.detach().cpu().numpy() for each in (self.linear.weight, self.linear.bias))
        return Head(weight, bias)


class Network(nn.Module):
    """Encoder, a head and the zero-shot experts at their starting weights: (N, S, S, 3) uint8 → (N, C) float32 logits."""

    def __init__(self, encoder: ImageEncoder, head: Head, offsets: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.encoder, self.offsets = encoder, offsets
        self.linear = nn.Linear(head.weight.shape[1], len(head.bias))
        self.linear.load_state_dict({"weight": torch.from_numpy(head.weight), "bias": torch.from_numpy(head.bias)})

    def forward(self, images: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 → (N, C) float32."""
        features, probabilities, _ = self.encoder(images)
        logits: Tensor = self.linear(features) + self.offsets(probabilities)
        return logits


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
        self.log("validation_accuracy", (logits.argmax(1) == targets).double().mean(), sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Keep the epoch's figures."""
        self.curves.append({name: float(value) for name, value in self.trainer.callback_metrics.items()})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer that was handed in."""
        return self.optimizer


def fit_head(
    head: LinearHead, train: Examples, validation: Examples, penalty: Floats, schedule: Schedule, logger: Logger | None = None
) -> Curves:
    """Fit a head in place by L-BFGS on the whole training set; returns the curves. The penalty K is (C, C), see `ridge`.

    The validation set is looked at for the curves only. Where this ends, `solve` goes on.
    """
    matrix = torch.from_numpy(penalty)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=5, line_search_fn="strong_wolfe")

    def decay() -> Tensor:
        return (head.linear.weight * (matrix @ head.linear.weight)).sum()

    training = Training(head, optimizer, decay)
    return _fit(training, train, validation, schedule, logger)


def fine_tune(
    network: Network, train: Examples, validation: Examples | None, rate: float, schedule: Schedule, logger: Logger | None = None
) -> Curves:
    """Fit all weights in place, from a head that is fitted already (Kumar et al. 2022); returns the curves.

    For all the epochs: a fold has no images to stop by, and the served network is fitted as the folds' are. In training mode, with
    drop-connect (Huang et al. 2016), but for batch normalisation: its statistics stay those of the pretraining, for a batch of some
    sixteen images has others than the single image that is served. Its weights are fitted as all others are.
    """
    for module in network.train().modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return _fit(Training(network, torch.optim.AdamW(weights, lr=rate), None), Augmented(train), validation, schedule, logger)


def _fit(training: Training, train: Examples, validation: Examples | None, schedule: Schedule, logger: Logger | None) -> Curves:
    seen = None if validation is None else _loader(validation, schedule, shuffle=False)
    callbacks = (
        [] if schedule.patience is None else [EarlyStopping("objective", min_delta=STANDS_STILL, patience=schedule.patience)]
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # advice on loader workers: the data are tensors
        _trainer(schedule, callbacks, logger).fit(training, _loader(train, schedule, shuffle=True), seen)
    training.network.cpu().eval()
    return training.curves


def _trainer(schedule: Schedule, callbacks: list[Any], logger: Logger | None) -> lightning.Trainer:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # its tips and its advertisements
    return lightning.Trainer(
        accelerator=schedule.accelerator,
        precision="16-mixed" if schedule.accelerator == "gpu" else None,
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
    workers, gpu = schedule.workers, schedule.accelerator == "gpu"
    return DataLoader(
        examples, size, shuffle=shuffle and not whole, num_workers=workers, persistent_workers=workers > 0, pin_memory=gpu
    )


class Labelled(Dataset[tuple[Tensor, ...]]):
    """Images, (S, S, 3) uint8 each, read when their turn comes, and their targets, (N,)."""

    def __init__(self, images: Squares, targets: Tensor) -> None:
        self.images, self.targets = images, targets

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return torch.from_numpy(self.images.image(index)), self.targets[index]


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


def encode(encoder: ImageEncoder, images: Squares, device: torch.device) -> tuple[Floats, Floats]:
    """N images → features (N, F) and class probabilities (N, 1000), float64: of a fold's own encoder, by PyTorch."""
    encoder = encoder.to(device).eval()
    with torch.inference_mode():
        batches = [encoder(torch.from_numpy(batch).to(device))[:2] for batch in images.batches(32)]
    features, probabilities = (torch.cat(each).double().cpu().numpy() for each in zip(*batches, strict=True))
    return features, probabilities
