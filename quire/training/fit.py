"""From a dataset to what is served: the strategy that folds and protocols share, then the fit that is served."""

import shutil
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning.loggers import Logger
from torch.utils.data import TensorDataset

from quire.cache import kept, name_of
from quire.command import BadInput, Machine
from quire.items.undecodable import remember
from quire.model.manifest import ENCODER, hash_part
from quire.training import encoders, onnx_export, quantize
from quire.training.dataset import Dataset
from quire.training.encoders import WEIGHTS, ImageEncoder
from quire.training.features import FeatureCache, square
from quire.training.onnx_export import export_encoder
from quire.training.quantize import CALIBRATED
from quire.training.rows import Rows, in_file
from quire.training.settings import Precision, Settings
from quire.training.strategies import FineTuned, Fitted, Frozen, Plan
from quire.training.trainer import Curves, LinearHead, Schedule, fit_head
from quire.training.zero_shot import background_of, zero_shot

OTHER = "its content is not the one in the ledger"
DRAWN = 20_000  # images of a set, at most, that Lightning's fit of the head and its curves hold in memory


@dataclass(frozen=True)
class Served:
    """What the model folder is written from."""

    plan: Plan
    encoder: ImageEncoder
    fitted: Fitted
    curves: Curves


@dataclass(frozen=True)
class Fit:
    """Fits on `data`, whose files lie in `images`; writes encoders into `model`, for features are read as serving reads them."""

    data: Dataset
    images: Path
    model: Path
    settings: Settings
    machine: Machine

    @cached_property
    def encoder(self) -> ImageEncoder:
        """The pretrained encoder."""
        return ImageEncoder(self.settings.backbone, self.settings.image_size).eval()

    def unusable(self) -> dict[str, str]:
        """Key → why, of the images that cannot be decoded, which the next `extract` rejects, and those that it did not write so."""
        items, paths = self.data.items, self._paths()
        cache = self._cache(self._pretrained(self.encoder, "fp32"))
        found = cache.unusable(paths, [str(item.image_sha256) for item in items], self.machine.threads)
        for number, error in found.items():
            if error:
                remember(self.machine.cache, str(items[number].image_sha256), str(error))
        return {str(items[number].key): f"{paths[number]}: {error or OTHER}" for number, error in found.items()}

    def strategy(self) -> tuple[Frozen, ImageEncoder]:
        """The strategy, with all images read by the pretrained encoder. Raises BadInput for settings that contradict."""
        if self.machine.device == "gpu" and not torch.cuda.is_available():
            raise BadInput("QUIRE_DEVICE: gpu, but PyTorch sees none here")
        settings = self.settings
        found = plan(self.data.labels, settings)
        if settings.fine_tune and settings.precision != "fp32":
            raise BadInput("params.yaml: train.precision: a fine-tuned encoder is read in fp32, not in int8")
        encoder = self.encoder
        self.model.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._pretrained(encoder, settings.precision), self.model / ENCODER)
        features = self._features(self.model / ENCODER)
        if not settings.fine_tune:
            return Frozen(found, *features), encoder
        images = (square(path, settings.image_size, settings.resize) for path in self._paths())
        squares = in_file(images, len(self.data.items), settings.image_size, self.machine.cache / "squares")
        device, workers = self.machine.device, self.machine.workers if self.machine.device == "gpu" else 0
        schedule = Schedule(settings.fine_tune_epochs, None, settings.fine_tune_batch_size, device, workers)
        rate, threads = settings.fine_tune_learning_rate, self.machine.threads
        return FineTuned(found, *features, encoder, squares, rate, schedule, threads, settings.seed), encoder

    def served(self, strategy: Frozen, encoder: ImageEncoder, logger: Logger) -> Served:
        """Fit by Lightning on the training set, for the curves; from there go on to the last digit, on all of `data`."""
        data, plan, everything = self.data, strategy.plan, np.ones(len(self.data.targets), bool)
        linear = LinearHead(strategy.features.shape[1], plan.classes)
        train, validation = (self._examples(strategy, np.flatnonzero(data.sets == name)) for name in ("train", "validation"))
        curves = fit_head(linear, train, validation, plan.penalty, Schedule(self.settings.epochs, self.settings.patience), logger)
        if isinstance(strategy, FineTuned):
            network, more = strategy.tuned(data.targets, everything, data.sets == "validation", logger)
            encoder, curves = network.encoder, curves + more
            export_encoder(encoder, self.settings.image_size, self.model / ENCODER)
            strategy = Frozen(plan, *self._features(self.model / ENCODER))
        return Served(plan, encoder, strategy.fit(data.targets, everything, linear.head()), curves)

    def _examples(self, strategy: Frozen, rows: NDArray[np.int64]) -> TensorDataset:
        """Features and offsets, (M, F + C) float64, and targets, (M,), of at most DRAWN of the images."""
        rows = rows[:: -(-len(rows) // DRAWN)]
        offsets = strategy.offsets(strategy.probabilities[rows])
        inputs = np.column_stack([np.asarray(strategy.features[rows]), offsets])
        return TensorDataset(torch.from_numpy(inputs), torch.from_numpy(self.data.targets[rows]))

    def _paths(self) -> list[Path]:
        return [self.images / str(item.image) for item in self.data.items]

    def in_precision(self, strategy: Frozen, encoder: ImageEncoder, precision: Precision) -> Frozen:
        """The strategy on the features of the pretrained encoder in another precision."""
        return Frozen(strategy.plan, *self._features(self._pretrained(encoder, precision)))

    def _pretrained(self, encoder: ImageEncoder, precision: Precision) -> Path:
        """The pretrained encoder as ONNX, from the cache."""
        size, rule, folder = self.settings.image_size, self.settings.resize, self.machine.cache / "encoders"
        code = [hash_part(Path(str(module.__file__))) for module in (encoders, onnx_export)]
        weights = hash_part(Path(WEIGHTS[self.settings.backbone].get_model_file_path()))
        name = name_of([weights, size, code, [version(library) for library in ("torch", "onnx", "onnxscript")]])
        exported = kept(folder, name, lambda path: export_encoder(encoder, size, path))
        if precision == "fp32":
            return exported
        items = sorted(self.data.items, key=lambda item: str(item.image_sha256))[:CALIBRATED]
        deciding = [name, [item.image_sha256 for item in items], rule, hash_part(Path(quantize.__file__)), version("onnxruntime")]
        squares = (square(self.images / str(item.image), size, rule) for item in items)
        return kept(folder, name_of(deciding), lambda path: quantize.quantize(exported, squares, path))

    def _cache(self, encoder: Path) -> FeatureCache:
        return FeatureCache(encoder, self.settings.image_size, self.settings.resize, self.machine.cache)

    def _features(self, encoder: Path) -> tuple[Rows, Rows]:
        return self._cache(encoder).rows(self._paths(), [str(item.image_sha256) for item in self.data.items], self.machine.threads)


def usable(data: Dataset, images: Path, model: Path, settings: Settings, machine: Machine) -> Dataset:
    """The items without the images that cannot be used, each named. Raises BadInput as `Dataset.without_images` does."""
    pictured = data.of(data.has("image"))
    unusable = Fit(pictured, images, model, settings, machine).unusable() if pictured.items else {}
    for why in unusable.values():
        print(f"train: goes on without {why}")
    return data.without_images(unusable) if unusable else data


def plan(labels: list[str], settings: Settings) -> Plan:
    """What is minimised for these labels, with the zero-shot experts where each label has its groups; says where one has none.

    Raises BadInput as `zero_shot.members` does.
    """
    groups = {label: given for label, given in settings.zero_shot.groups.items() if label in labels}
    without = [label for label in labels if label not in groups]
    if settings.zero_shot.groups and without:
        print(f"train: no zero-shot experts, for train.zero_shot.groups in params.yaml does not name {', '.join(without[:5])}")
        groups = {}
    return Plan(
        classes=len(labels),
        background=background_of(groups, labels),
        weight_decay=settings.weight_decay,
        named_against_background=settings.zero_shot.named_against_background,
        quantile=settings.selective.in_distribution_quantile,
        experts=zero_shot(groups, labels),
    )
