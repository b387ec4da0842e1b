"""What training writes: the model folder, and for the reports out-of-fold predictions, curves and protocols."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from quire.items.tables import Prediction, pack, write_csv, write_npz, write_table
from quire.model.manifest import ENCODER, NEIGHBOURS, Expert, ImageInput, Manifest, Modalities, Pooling, Thresholds, hash_part
from quire.model.predictor import Predictor
from quire.training.dataset import Dataset
from quire.training.fit import Fit, Served
from quire.training.modalities import Answers
from quire.training.onnx_export import Pooled, export_answer
from quire.training.pooling import IMAGE_EXPERTS
from quire.training.pooling import Pooling as Fitted
from quire.training.rows import Matrix
from quire.training.trainer import Curves

DIGITS = 5  # of a loss: what machines sum in another order differs far behind them
NAMES = ["train_loss", "validation_loss", "validation_accuracy"]  # of curves
ANSWERS = {
    "image": "the head on the encoder's features, damped by the distance to the training images",
    "which": "which label it is, of those that name classes of the backbone",
    "any": "whether it is any of them at all, against the background",
}


def write_images(fit: Fit, served: Served, pooling: Fitted, thresholds: Thresholds, lineage: dict[str, str]) -> Manifest:
    """Write the graphs that answer for an image beside the encoder, which is there; returns what model.json says of them."""
    plan, fitted, folder = served.plan, served.fitted, fit.model
    graph = Pooled(fitted.head, plan.experts, pooling.weights, pooling.damping, fitted.nearest)
    answer, activation = export_answer(graph, served.encoder, fit.settings.image_size, folder)
    _write_neighbours(folder / NEIGHBOURS, fit.data, fitted.features)
    names = IMAGE_EXPERTS if plan.experts else IMAGE_EXPERTS[:1]
    weights = dict(zip(names, pooling.weights.tolist(), strict=False))
    damping = pooling.damping.described()
    return Manifest(
        labels=fit.data.labels,
        inputs={"image": ImageInput(size=fit.settings.image_size, resize=fit.settings.resize, encoder=ENCODER)},
        experts={name: Expert(modality="image", answers=ANSWERS[name]) for name in names},
        pooling={"image": Pooling(graph=answer.name, weights=weights, damping=damping, thresholds=thresholds)},
        lineage=lineage,
        parts={path.name: hash_part(path) for path in (folder / ENCODER, answer, activation, folder / NEIGHBOURS)},
    )


def _write_neighbours(path: Path, data: Dataset, features: Matrix) -> None:
    """What the nearest training images are called and where they come from: `quire/model/explain.py`."""
    write_npz(
        path,
        keys=np.array(data.keys),
        labels=np.array(data.labels)[data.targets],
        documents=np.array([item.source for item in data.items]),
        pages=np.array([-1 if item.page is None else item.page for item in data.items]),
        features=np.asarray(features, np.float32),
    )


def write_out_of_fold(path: Path, data: Dataset, answers: Answers, model: Path) -> None:
    """Each item's out-of-fold prediction by all it has, decided by the model in a folder. The test set has none."""
    predictor, own = Predictor(model), dict[int, tuple[Modalities, int]]()
    for present, answered in answers.items():
        own |= {row: (present, place) for place, row in enumerate(answered.rows.tolist())}

    def rows() -> Iterator[Prediction]:
        probabilities = {present: answered.probabilities for present, answered in answers.items()}
        for number, (present, place) in sorted(own.items()):
            shares, score = probabilities[present][place], answers[present].unfamiliarity[place]
            answer = predictor.answer(shares.round(6), float(score.round(6)), present)
            yield Prediction(
                key=data.keys[number],
                fold=int(data.fold_of[number]),
                label=data.labels[data.targets[number]],
                prediction=answer.prediction,
                decision=answer.decision,
                confidence=answer.confidence,
                unfamiliarity=answer.unfamiliarity,
                probabilities=pack(answer.probabilities.values()),
            )

    write_table(path, Prediction, rows(), without=("set", "experts"))


def write_curves(path: Path, curves: Curves) -> None:
    """A row an epoch: losses and accuracy; none of a model of texts alone, whose head is solved at once."""
    write_csv(
        path,
        ["epoch", *(curves[0] if curves else NAMES)],
        ([number, *(round(value, DIGITS) for value in row.values())] for number, row in enumerate(curves)),
    )
