"""Train the classifier and write model/model.onnx, its training curves, its out-of-fold predictions and the protocols.

python -m stages.train data/images data/items.csv data/labels.csv data/split.csv model
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pytorch_lightning import seed_everything
from pytorch_lightning.loggers import Logger
from torch import Tensor
from torch.utils.data import TensorDataset

from quire.command import BadInput, Positive, Seed, machine, run
from quire.decode import ResizeRule, UndecodableImage, decode
from quire.decode import resize as to_square
from quire.evaluation.metrics import proportion
from quire.evaluation.protocols import Decision, few_labels, leave_one_kind_out
from quire.items.groups import Group, grouped
from quire.items.tables import Assignment, Item, Label, read_table, write_csv, write_json, write_npz
from quire.provenance.lineage import hash_file, hash_files, hash_images, hash_json, imported_files
from quire.provenance.machine import write_machine
from quire.tracking import finish_run, recorded_run
from quire.training.cross_validation import HeldOut, assign_folds, calibrated, out_of_fold
from quire.training.encoders import FEATURES, Backbone, Classifier, Encoder, Head, Network
from quire.training.familiarity import compare
from quire.training.heads import Curves, Decay, Examples, Schedule, fit_head
from quire.training.onnx_export import export
from quire.training.strategies import FineTuning, Recipe, limited_to
from quire.training.zero_shot import Groups, members, prior_of, rest_of

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PriorSettings(BaseModel):
    """Which classes of the backbone are a label's, and the ridges that keep the head from overruling them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    groups: Groups  # none: no prior
    open_decay: NotNegative
    decay: NotNegative


@dataclass(frozen=True)
class Data:
    """The labelled images in the order of their keys."""

    keys: list[str]
    items: list[Item]
    labels: list[str]  # the classes, sorted; a target is an index into them
    images: NDArray[np.uint8]  # (N, S, S, 3)
    targets: NDArray[np.int64]  # (N,)
    groups: list[Group]
    sets: NDArray[np.str_]  # (N,)


@dataclass(frozen=True)
class Judged:
    """What held-out predictions say, and what they settle."""

    fold_of: NDArray[np.int64]  # (N,)
    held_out: HeldOut
    probabilities: NDArray[np.float64]  # (N, C), calibrated
    decision: dict[str, Any]  # thresholds, temperature and pooling: what the model file carries
    protocols: dict[str, Any]


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
    prior: PriorSettings,
    decision: Decision,
    seed: Seed,
) -> None:
    """Fit a head on the frozen backbone's features and, with `fine_tune`, go on with all weights and augmentation.

    The head sees the training set only; the pooling with the prior, the temperature and the thresholds are set by
    out-of-fold predictions of training and validation set. The test set has no say in anything.
    Raises BadInput for an image that cannot be decoded and for a tracking server that does not answer.
    """
    parameters = {name: _plain(value) for name, value in locals().items() if not isinstance(value, Path)}
    here = machine()
    device = _device(here.device)
    lineage = _lineage(items, labels, split, parameters)
    if prior.groups:  # what is wrong with them is said before anything is made
        members(prior.groups, sorted({row.label for row in read_table(labels, Label)}))
    with recorded_run(parameters, lineage) as logger:
        seed_everything(seed, workers=True, verbose=False)  # after MLflow has drawn the run's name
        torch.set_num_threads(here.threads)
        data = _load(images, items, labels, split, image_size, resize)
        network, inputs = _encoded(data, backbone, image_size, prior.groups, device)
        decay, rest = Decay(weight_decay, prior.open_decay, prior.decay), rest_of(prior.groups, data.labels)
        recipe = Recipe(len(data.labels), network.encoder.prior, rest, decay, decision.familiar)
        if fine_tune:
            longer = Schedule(fine_tune_epochs, None, fine_tune_batch_size, here.device)
            more = (network.encoder, data.images, fine_tune_learning_rate, longer, device, here.threads, seed)
            recipe = FineTuning(recipe.classes, recipe.prior, rest, decay, decision.familiar, *more)
        judged = _judge(recipe, inputs, data, folds, decision, seed)
        curves, inputs = _fit(recipe, network, data, inputs, Schedule(epochs, patience), logger)
        network.head.weights.copy_(torch.from_numpy(judged.held_out.pooling.weights))
        metadata = {
            "labels": data.labels,
            "input": {"size": image_size, "resize": resize},
            "decision": judged.decision,
            "lineage": lineage,
        }
        nearest, temperature = recipe.nearest(inputs, data.targets, data.sets == "train"), judged.decision["temperature"]
        classifier = Classifier(network, temperature, nearest, judged.held_out.pooling.reach)
        export(classifier, image_size, metadata, model / "model.onnx")
        _write(model, data, inputs, judged, curves)
        write_machine(model / "machine.json", here.threads)
        accuracy = float((judged.probabilities.argmax(1) == data.targets).mean())
        finish_run(logger, {"temperature": temperature, "cross_validated_accuracy": accuracy}, hash_file(model / "model.onnx"))
        print(f"train: {len(curves)} epochs, temperature {temperature:.3f}, MLflow run {logger.run_id}")


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else value


def _encoded(data: Data, backbone: str, image_size: int, groups: Groups, device: torch.device) -> tuple[Network, Tensor]:
    """A network with a blank head, on the processor, and what its head is to read: (N, 1280 + 2·C), or 1280 without a prior."""
    pretrained = Backbone(backbone, image_size)
    prior = prior_of(pretrained.classifier, groups, data.labels)
    network = Network(Encoder(pretrained, prior), Head(len(data.labels), prior))
    inputs = network.encoder.to(device).encode(data.images)
    return network.cpu(), inputs


def _judge(recipe: Recipe, inputs: Tensor, data: Data, folds: int, decision: Decision, seed: int) -> Judged:
    fold_of = _folds(data, folds, seed)
    with limited_to(1):
        held_out = out_of_fold(recipe, inputs, data.targets, fold_of)
        protocols = _protocols(recipe, inputs, data, fold_of, held_out, decision, seed)
    weights, reach = held_out.pooling.weights, held_out.pooling.reach
    settled = decision.thresholds(held_out, data.targets, fold_of)
    settled |= {"prior_weights": weights.round(6).tolist() if recipe.prior else None, "reach": reach.described()}
    return Judged(fold_of, held_out, calibrated(held_out.logits, data.targets, fold_of), settled, protocols)


def _fit(recipe: Recipe, network: Network, data: Data, inputs: Tensor, schedule: Schedule, logger: Logger) -> tuple[Curves, Tensor]:
    """Fit the network that is served, in place; the curves, and what its head reads of all images."""
    curves = fit_head(network.head, *_train_and_validation(data, inputs), recipe.decay, schedule, logger)
    if isinstance(recipe, FineTuning):
        curves += recipe.tune(network, *_train_and_validation(data, torch.from_numpy(data.images)), logger)
        inputs = network.encoder.encode(data.images)
    return curves, inputs


def _write(model: Path, data: Data, inputs: Tensor, judged: Judged, curves: Curves) -> None:
    write_csv(model / "curves.csv", ["epoch", *curves[0]], ([number, *row.values()] for number, row in enumerate(curves)))
    _write_out_of_fold(model / "out_of_fold.csv", data, judged)
    write_json(model / "protocols.json", judged.protocols)
    _write_references(model / "references.npz", data, inputs, data.sets == "train")


def _protocols(
    recipe: Recipe, inputs: Tensor, data: Data, fold_of: NDArray[np.int64], held_out: HeldOut, decision: Decision, seed: int
) -> dict[str, Any]:
    """What needs models of its own, beside them a head on the frozen features alone; inputs are (N, 1280 + 2·C).

    The learning curve is a frozen backbone's, fine-tuned or not: 30 fits that tell how far the labels reach.
    """
    features, targets = inputs[:, :FEATURES], data.targets
    frozen = Recipe(recipe.classes, recipe.prior, recipe.rest, recipe.decay, recipe.familiar)
    for_all_kinds = held_out if isinstance(recipe, FineTuning) else None
    without = calibrated(out_of_fold(recipe.alone(), features, targets, fold_of).logits, targets, fold_of)
    return {
        "head_alone": proportion(int((without.argmax(1) == targets).sum()), len(targets)),
        "leave_one_kind_out": leave_one_kind_out(recipe, inputs, targets, fold_of, decision, for_all_kinds),
        "few_labels": few_labels(frozen, inputs, targets, data.groups, data.keys, seed),
        "unfamiliar_scores": compare(features.double().numpy(), targets, fold_of, held_out.logits, recipe.rest),
    }


def _write_references(path: Path, data: Data, inputs: Tensor, chosen: NDArray[np.bool_]) -> None:
    """What the nearest training images are called and where they come from: `quire.model.explain`."""
    write_npz(
        path,
        keys=np.array(data.keys)[chosen],
        labels=np.array(data.labels)[data.targets[chosen]],
        documents=np.array([item.source for item in data.items])[chosen],
        pages=np.array([item.page for item in data.items])[chosen],
        features=inputs[chosen][:, :FEATURES].numpy(),
    )


def _folds(data: Data, folds: int, seed: int) -> NDArray[np.int64]:
    label_of = {key: data.labels[target] for key, target in zip(data.keys, data.targets, strict=True)}
    tested = {key for key, name in zip(data.keys, data.sets, strict=True) if name == "test"}
    fold_of = assign_folds(data.groups, label_of, tested, folds, seed)
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
        pixels = list(pool.map(lambda item: _square(images / str(item.image), size, rule), labelled))
    return Data(
        keys=keys,
        items=labelled,
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


def _device(name: str) -> torch.device:
    if name == "gpu" and not torch.cuda.is_available():
        raise BadInput("QUIRE_DEVICE: gpu, but PyTorch sees none here")
    return torch.device("cuda" if name == "gpu" else "cpu")


def _train_and_validation(data: Data, inputs: Tensor) -> tuple[Examples, Examples]:
    targets = torch.from_numpy(data.targets)
    train, validation = (torch.from_numpy(data.sets == name) for name in ("train", "validation"))
    return TensorDataset(inputs[train], targets[train]), TensorDataset(inputs[validation], targets[validation])


def _write_out_of_fold(path: Path, data: Data, judged: Judged) -> None:
    labels = (data.labels[target] for target in data.targets)
    shares, scores = judged.probabilities.round(6).tolist(), judged.held_out.unfamiliarity.round(6)
    rows = zip(data.keys, judged.fold_of, labels, shares, scores, strict=True)
    header = ["key", "fold", "label", *data.labels, "unfamiliarity"]
    write_csv(path, header, ([key, fold, label, *row, score] for key, fold, label, row, score in rows))


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    run(train)


if __name__ == "__main__":
    main()
