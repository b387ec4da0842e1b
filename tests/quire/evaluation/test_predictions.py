from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from quire.command import BadInput
from quire.evaluation.predictions import in_columns, predict, write_predictions
from quire.items.tables import Item, Prediction, pack, read_table
from quire.model.predictor import Predictor
from tests.quire.model.test_predictor import write_model

LABELS = ["label", "key", "fold"]  # as the columns of the table are called


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    return Predictor(write_model(tmp_path, LABELS))


def files(folder: Path) -> dict[str, Path]:
    colours = {"red": "red", "lime": "lime", "blue": "blue", "even": "black"}
    for key, colour in colours.items():
        Image.new("RGB", (12, 8), colour).save(folder / f"{key}.png")
    (folder / "none.png").write_bytes(b"no image")
    return {key: folder / f"{key}.png" for key in [*colours, "none"]}


def kept(*keys: str) -> dict[str, Item]:
    return {key: Item(key=key, source=f"{key}.pdf", status="kept") for key in keys}


def test_every_image_has_a_row_whatever_the_classes_are_called(tmp_path: Path, predictor: Predictor) -> None:
    given = {"red": "label", "lime": "key", "even": "fold"}
    rows = predict(predictor, files(tmp_path), {}, given, {"red": "test", "even": "test", "lime": "train"})
    tested = write_predictions(tmp_path / "predictions.csv", rows)
    table = read_table(tmp_path / "predictions.csv", Prediction)
    assert {row.key: (row.set, row.label, row.prediction, row.decision) for row in table} == {
        "blue": (None, None, "fold", "fold"),
        "even": ("test", "fold", "label", "unsure"),
        "lime": ("train", "key", "key", "key"),
        "none": (None, None, None, "undecodable"),
        "red": ("test", "label", "label", "label"),
    }
    assert [row for row in table if row.set == "test"] == tested
    columns = in_columns(tested, LABELS, kept("red", "even"), tmp_path / "predictions.csv")
    assert columns.keys.tolist() == ["even", "red"]
    assert columns.documents.tolist() == [0, 1]
    assert columns.correct.tolist() == columns.answered.tolist() == [False, True]
    assert columns.given.tolist() == pytest.approx([1 / 3, 1], abs=1e-6)
    assert columns.squared_error.tolist() == pytest.approx([2 / 3, 0], abs=1e-5)


def test_images_are_read_one_at_a_time_as_rows_are_asked_for(tmp_path: Path, predictor: Predictor) -> None:
    found = files(tmp_path)
    rows = predict(predictor, found, {}, {}, {})
    assert next(rows).key == "blue"
    found["even"].unlink()
    with pytest.raises(FileNotFoundError):
        next(rows)


def test_a_labelled_image_that_cannot_be_decoded_ends_the_stage_by_name(tmp_path: Path, predictor: Predictor) -> None:
    with pytest.raises(BadInput, match=r"none\.png: not a JPEG"):
        list(predict(predictor, files(tmp_path), {}, {}, {"none": "train"}))


def rows(**change: object) -> Iterator[Prediction]:
    cells = {
        "key": "a",
        "label": "key",
        "prediction": "fold",
        "decision": "fold",
        "confidence": 0.5,
        "probabilities": pack([0.2, 0.3, 0.5]),
    }
    yield Prediction(**{**cells, **change})  # type: ignore[arg-type]


def test_an_answer_that_is_unfamiliar_is_not_given_however_confident() -> None:
    """The decision is the model's own, by all its rules; no threshold is applied a second time."""
    (row,) = rows(decision="unsure", confidence=0.99, unfamiliarity=0.8)
    assert in_columns([row], LABELS, kept("a"), Path("t.csv")).answered.tolist() == [False]


@pytest.mark.parametrize(
    "change",
    [{"key": "b"}, {"label": "horse"}, {"prediction": "horse"}, {"probabilities": pack([0.5, 0.5])}, {"probabilities": None}],
)
def test_a_row_that_does_not_fit_is_named(change: dict[str, object]) -> None:
    (row,) = rows(**change)
    with pytest.raises(BadInput, match=rf"^t\.csv: key {row.key}: "):
        in_columns([row], LABELS, kept("a"), Path("t.csv"))


def test_nothing_to_judge_by_is_said() -> None:
    with pytest.raises(BadInput, match=r"^t\.csv: holds no image with a label"):
        in_columns([], LABELS, {}, Path("t.csv"))
