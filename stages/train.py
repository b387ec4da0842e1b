"""Train the classifier and write model/model.onnx, its training curves and its out-of-fold predictions.

python -m stages.train data/images data/items.csv data/labels.csv data/split.csv model
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pytorch_lightning import seed_everything
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from service.decode import ResizeRule, UndecodableImage, decode
from service.decode import resize as to_square
from stages.command import BadInput, Positive, Seed, run
from stages.cross_validation import assign_folds, out_of_fold
from stages.export import export
from stages.fit import Augmented, Examples, Schedule, fit_head, fit_temperature
from stages.fit import fine_tune as fine_tune_all
from stages.lineage import hash_file, hash_files, hash_images, hash_json, imported_files
from stages.machine import write_machine
from stages.network import Backbone, Classifier, Network, zero_head
from stages.split import Group, grouped
from stages.tables import Assignment, Item, Label, read_table, write_csv
from stages.tracking import finish_run, recorded_run

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Data:
    """The labelled images in the order of their keys."""

    keys: list[str]
    labels: list[str]  # the classes, sorted; a target is an index into them
    images: NDArray[np.uint8]  # (N, S, S, 3)
    targets: NDArray[np.int64]  # (N,)
    groups: list[Group]
    sets: NDArray[np.str_]  # (N,)


def train(
    images: Path,
    items: Path,
    labels: Path,
    split: Path,
    model: Path,
    *,
    backbone: Literal["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"],
    image_size: Annotated[int, Field(ge=64)],
    resize: ResizeRule,
    epochs: Positive,
    patience: Positive,
    weight_decay: NotNegative,
    fine_tune: bool,
    fine_tune_epochs: Positive,
    fine_tune_batch_size: Positive,
    fine_tune_learning_rate: NotNegative,
    folds: Annotated[int, Field(ge=3)],
    min_confidence: Annotated[float, Field(ge=0, le=1)],
    accelerator: Literal["cpu", "gpu"],
    threads: Positive,
    seed: Seed,
) -> None:
    """Fit a head on the frozen backbone's features and, with `fine_tune`, go on with all weights and augmentation.

    Stops, chooses and calibrates by the validation set; only `evaluate` reads the test set's answers.
    Raises BadInput for an image that cannot be decoded and for a tracking server that does not answer.
    """
    parameters = {name: value for name, value in locals().items() if not isinstance(value, Path)}
    device = _device(accelerator)
    lineage = _lineage(items, labels, split, parameters)
    with recorded_run(parameters, lineage) as logger:
        seed_everything(seed, workers=True, verbose=False)  # after MLflow has drawn the run's name
        torch.set_num_threads(threads)
        data = _load(images, items, labels, split, image_size, resize)
        pretrained = Backbone(backbone, image_size).to(device)
        features = pretrained.features(data.images)  # (N, 1280) float32
        network = Network(pretrained.cpu(), zero_head(len(data.labels)))

        schedule = Schedule(epochs, patience)
        curves = fit_head(network.head, *_train_and_validation(data, features), weight_decay, schedule, logger)
        logits = _validation_logits(network.head, features, data)
        if fine_tune:
            longer = Schedule(fine_tune_epochs, patience, fine_tune_batch_size, accelerator)
            augmented, validation = _augmented_and_validation(data)
            curves += fine_tune_all(network, augmented, validation, fine_tune_learning_rate, longer, logger)
            logits = _validation_logits(network, torch.from_numpy(data.images), data)
        temperature = fit_temperature(logits, data.targets[data.sets == "validation"])

        fold_of = _folds(data, folds, seed)
        probabilities = out_of_fold(features, data.targets, fold_of, len(data.labels), weight_decay, schedule)
        metadata = {
            "labels": data.labels,
            "input": {"size": image_size, "resize": resize},
            "decision": {"min_confidence": min_confidence, "temperature": round(temperature, 6)},
            "lineage": lineage,
        }
        export(Classifier(network, temperature), image_size, metadata, model / "model.onnx")
        write_csv(model / "curves.csv", ["epoch", *curves[0]], ([number, *row.values()] for number, row in enumerate(curves)))
        _write_out_of_fold(model / "out_of_fold.csv", data, fold_of, probabilities)
        write_machine(model / "machine.json", threads)
        accuracy = float((probabilities.argmax(1) == data.targets).mean())
        finish_run(logger, {"temperature": temperature, "cross_validated_accuracy": accuracy}, hash_file(model / "model.onnx"))
        print(f"train: {len(curves)} epochs, temperature {temperature:.3f}, MLflow run {logger.run_id}")


def _folds(data: Data, folds: int, seed: int) -> NDArray[np.int64]:
    label_of = {key: data.labels[target] for key, target in zip(data.keys, data.targets, strict=True)}
    fold_of = assign_folds(data.groups, label_of, folds, seed)
    return np.array([fold_of[key] for key in data.keys])


def _lineage(items: Path, labels: Path, split: Path, parameters: dict[str, Any]) -> dict[str, str]:
    return {
        "images": hash_images(read_table(items, Item)),
        "labels": hash_file(labels),
        "split": hash_file(split),
        "parameters": hash_json(parameters),
        "code": hash_files(imported_files("stages.train")),
    }


def _load(images: Path, items: Path, labels: Path, split: Path, size: int, rule: ResizeRule) -> Data:
    label_of = {row.key: row.label for row in read_table(labels, Label)}
    set_of = {row.key: row.set for row in read_table(split, Assignment)}
    labelled = sorted((item for item in read_table(items, Item) if item.key in set_of), key=lambda item: str(item.key))
    keys = [str(item.key) for item in labelled]
    classes = sorted(set(label_of.values()))
    with ThreadPoolExecutor() as pool:
        pixels = list(pool.map(lambda item: _square(images / str(item.file), size, rule), labelled))
    return Data(
        keys=keys,
        labels=classes,
        images=np.stack(pixels),
        targets=np.array([classes.index(label_of[key]) for key in keys]),
        groups=grouped(labelled),
        sets=np.array([set_of[key] for key in keys]),
    )


def _square(path: Path, size: int, rule: ResizeRule) -> NDArray[np.uint8]:
    try:
        return to_square(decode(path.read_bytes()), size, rule)
    except UndecodableImage as error:
        raise BadInput(f"{path}: {error}") from error


def _device(accelerator: str) -> torch.device:
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise BadInput("params.yaml: train.accelerator: gpu, but PyTorch sees none here")
    return torch.device("cuda" if accelerator == "gpu" else "cpu")


def _train_and_validation(data: Data, inputs: Tensor) -> tuple[Examples, Examples]:
    targets = torch.from_numpy(data.targets)
    train, validation = (torch.from_numpy(data.sets == name) for name in ("train", "validation"))
    return TensorDataset(inputs[train], targets[train]), TensorDataset(inputs[validation], targets[validation])


def _augmented_and_validation(data: Data) -> tuple[Examples, Examples]:
    train, validation = _train_and_validation(data, torch.from_numpy(data.images))
    return Augmented(train), validation


@torch.inference_mode()
def _validation_logits(network: nn.Module, inputs: Tensor, data: Data) -> NDArray[np.float32]:
    validation = inputs[torch.from_numpy(data.sets == "validation")]
    return torch.cat([network.eval()(batch) for batch in validation.split(32)]).numpy()  # (V, C) float32


def _write_out_of_fold(path: Path, data: Data, fold_of: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
    rows = zip(data.keys, fold_of, (data.labels[target] for target in data.targets), probabilities.round(6).tolist(), strict=True)
    write_csv(path, ["key", "fold", "label", *data.labels], ([key, fold, label, *row] for key, fold, label, row in rows))


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    run(train)


if __name__ == "__main__":
    main()
