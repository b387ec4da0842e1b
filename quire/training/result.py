"""What training writes: the model folder, and for the reports out-of-fold predictions, curves and protocols."""

from pathlib import Path

import numpy as np

from quire.items.tables import Prediction, pack, write_csv, write_npz, write_table
from quire.model.manifest import ENCODER, NEIGHBOURS, Expert, ImageInput, Manifest, Pooling, Thresholds, hash_part, write_manifest
from quire.model.predictor import Predictor
from quire.training.cross_validation import HeldOut
from quire.training.dataset import Dataset
from quire.training.fit import Fit, Served
from quire.training.onnx_export import Pooled, export_answer
from quire.training.pooling import IMAGE_EXPERTS
from quire.training.pooling import Pooling as Fitted
from quire.training.rows import Matrix
from quire.training.trainer import Curves

DIGITS = 5  # of a loss: what machines sum in another order differs far behind them
ANSWERS = {
    "image": "the head on the encoder's features, damped by the distance to the training images",
    "which": "which label it is, of those that name classes of the backbone",
    "any": "whether it is any of them at all, against the background",
}


def write_model(fit: Fit, served: Served, pooling: Fitted, thresholds: Thresholds, lineage: dict[str, str]) -> str:
    """Write the graphs and model.json beside the encoder, which is there; returns the SHA-256 of model.json."""
    plan, fitted, folder = served.plan, served.fitted, fit.model
    graph = Pooled(fitted.head, plan.experts, pooling.weights, pooling.damping, fitted.nearest)
    answer, activation = export_answer(graph, served.encoder, fit.settings.image_size, folder)
    _write_neighbours(folder / NEIGHBOURS, fit.data, fitted.features)
    names = IMAGE_EXPERTS if plan.experts else IMAGE_EXPERTS[:1]
    weights = dict(zip(names, pooling.weights.tolist(), strict=False))
    damping = pooling.damping.described()
    manifest = Manifest(
        labels=fit.data.labels,
        inputs={"image": ImageInput(size=fit.settings.image_size, resize=fit.settings.resize, encoder=ENCODER)},
        experts={name: Expert(modality="image", answers=ANSWERS[name]) for name in names},
        pooling={"image": Pooling(graph=answer.name, weights=weights, damping=damping, thresholds=thresholds)},
        lineage=lineage,
        parts={path.name: hash_part(path) for path in (folder / ENCODER, answer, activation, folder / NEIGHBOURS)},
    )
    return write_manifest(folder, manifest)


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


def write_out_of_fold(path: Path, data: Dataset, held_out: HeldOut, model: Path) -> None:
    """The out-of-fold predictions, decided by the thresholds of the model in a folder. The test set has none."""
    predictor = Predictor(model)
    rows = []
    for number, (key, fold) in enumerate(zip(data.keys, data.fold_of.tolist(), strict=True)):
        answer = predictor.answer(held_out.probabilities[number].round(6), float(held_out.unfamiliarity[number].round(6)))
        rows.append(
            Prediction(
                key=key,
                fold=fold,
                label=data.labels[data.targets[number]],
                prediction=answer.prediction,
                decision=answer.decision,
                confidence=answer.confidence,
                unfamiliarity=answer.unfamiliarity,
                probabilities=pack(answer.probabilities.values()),
            )
        )
    write_table(path, Prediction, rows, without=("set",))


def write_curves(path: Path, curves: Curves) -> None:
    """A row an epoch: losses and accuracy."""
    write_csv(
        path,
        ["epoch", *curves[0]],
        ([number, *(round(value, DIGITS) for value in row.values())] for number, row in enumerate(curves)),
    )
