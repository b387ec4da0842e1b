"""Tables of predictions: the served model's answers for all kept items, and predictions as columns of numbers."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quire.command import BadInput, machine
from quire.decode import UndecodableImage
from quire.items.tables import Item, Prediction, SetName, pack, unpack, write_table
from quire.items.undecodable import remember
from quire.model.manifest import UNSURE
from quire.model.predictor import Answer, Predictor

UNDECODABLE = "undecodable"  # the decision on an image that the service would refuse
UNREAD = "unread"  # the decision on an item that has nothing that the model reads


@dataclass(frozen=True)
class Predictions:
    """Predicted images with labels, a row each; the probabilities of all classes are not kept: there may be 1,000."""

    keys: NDArray[np.str_]  # (N,)
    documents: NDArray[np.int64]  # (N,), the number of each image's document: the unit of all intervals
    targets: NDArray[np.int64]  # (N,)
    predicted: NDArray[np.int64]  # (N,)
    confidence: NDArray[np.float64]  # (N,), the probability of the prediction
    given: NDArray[np.float64]  # (N,), the probability of the label
    squared_error: NDArray[np.float64]  # (N,), Σ_c (p_c − [c is the label])², 0 to 2: its mean is the score of Brier (1950)
    answered: NDArray[np.bool_]  # (N,), whether the decision is not `unsure`

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the prediction is the label, (N,) bool."""
        return np.equal(self.predicted, self.targets)

    def of(self, chosen: NDArray[np.int64]) -> "Predictions":
        """Those of some rows, which may be named more than once."""
        return Predictions(*(getattr(self, field.name)[chosen] for field in fields(self)))


def predict(
    predictor: Predictor,
    files: dict[str, Path],
    texts: Mapping[str, str],
    label_of: Mapping[str, str],
    set_of: Mapping[str, SetName],
) -> Iterator[Prediction]:
    """The answer for the item of each key that has an image or a text, one at a time.

    An image that cannot be decoded is named, taken out of `files`, and rejected by the next `extract`; its item is answered by its
    text, where there is one that the model reads. Raises BadInput where it is an image that the model was fitted on.
    """
    for key in sorted({*files, *texts}):
        decision, answer = UNREAD, None
        if predictor.reads(key in files, key in texts):
            try:
                answer = predictor.classify_content(files[key].read_bytes() if key in files else None, texts.get(key))
            except UndecodableImage as error:
                if key not in texts and set_of.get(key, "test") != "test":
                    raise BadInput(f"{files[key]}: {error}") from error
                _leave_out(files.pop(key), error)
                decision = UNDECODABLE
                if predictor.reads(False, key in texts):
                    answer = predictor.classify_content(None, texts[key])
        yield _row(key, answer, set_of.get(key), label_of.get(key)) if answer else Prediction(key=key, decision=decision)


def _leave_out(path: Path, error: UndecodableImage) -> None:
    remember(machine().cache, hashlib.sha256(path.read_bytes()).hexdigest(), str(error))
    print(f"evaluate: goes on without {path}: {error}")


def _row(key: str, answer: Answer, set_name: SetName | None, label: str | None) -> Prediction:
    return Prediction(
        key=key,
        set=set_name,
        label=label,
        prediction=answer.prediction,
        decision=answer.decision,
        confidence=round(answer.confidence, 6),
        unfamiliarity=round(answer.unfamiliarity, 6),
        probabilities=pack(answer.probabilities.values()),
        experts=" ".join(f"{name} {part:.3f}" for name, part in (answer.experts or {}).items()) or None,
    )


def write_predictions(path: Path, rows: Iterator[Prediction]) -> list[Prediction]:
    """Write the table as its rows come; those of the test set are given back."""
    tested: list[Prediction] = []

    def passing() -> Iterator[Prediction]:
        for row in rows:
            if row.set == "test" and row.prediction:
                tested.append(row)
            yield row

    write_table(path, Prediction, passing())
    return tested


def in_columns(rows: Sequence[Prediction], labels: Sequence[str], kept: Mapping[str, Item], path: Path) -> Predictions:
    """Rows of the table at `path`, with labels, as columns.

    Raises BadInput where there are none, and for a row that does not fit labels and ledger.
    """
    number_of: dict[str | None, int] = {label: number for number, label in enumerate(labels)}
    if not rows:
        raise BadInput(f"{path}: holds no image with a label to judge the model by; label more documents")
    parsed = [_numbers(row, number_of, kept, path) for row in rows]
    targets, predicted, given, errors = (np.array(column) for column in zip(*parsed, strict=True))
    return Predictions(
        keys=np.array([row.key for row in rows]),
        documents=np.unique([kept[row.key].group or kept[row.key].source for row in rows], return_inverse=True)[1],
        targets=targets,
        predicted=predicted,
        confidence=np.array([row.confidence for row in rows], np.float64),
        given=given,
        squared_error=errors,
        answered=np.array([row.decision != UNSURE for row in rows]),
    )


def _numbers(
    row: Prediction, number_of: Mapping[str | None, int], kept: Mapping[str, Item], path: Path
) -> tuple[int, int, float, float]:
    """Target, prediction, the label's probability and the squared error of a row."""
    shares = np.array(unpack(row.probabilities))  # (C,)
    if row.key not in kept or row.label not in number_of or row.prediction not in number_of or len(shares) != len(number_of):
        raise BadInput(f"{path}: key {row.key}: fits not the model's {len(number_of)} labels and the ledger; `dvc repro` mends it")
    target = number_of[row.label]
    return target, number_of[row.prediction], float(shares[target]), float(shares @ shares - 2 * shares[target] + 1)
