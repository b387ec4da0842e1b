"""The stage on images of one colour, classes named so as to break tables, and a model that knows colours."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from quire.command import BadInput, machine
from quire.items.tables import Assignment, Item, Label, Prediction, pack, read_table, write_csv, write_json, write_table
from quire.items.undecodable import remembered
from quire.model.predictor import Predictor
from stages.evaluate import evaluate
from tests.quire.model.test_predictor import write_model

LABELS = ["label", "fold", "<b>a|b`"]  # red, lime and blue, as the model sees them
COLOURS = ["red", "lime", "blue"]
FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6}
OUTCOME = {"right": FIGURE, "decided_wrong": FIGURE, "unsure": FIGURE}
SCORE = ["auroc_known", "auroc_unknown", "unfamiliar_strangers", "unfamiliar_known", "unfamiliar_unknown"]
PROTOCOLS = {
    "head_alone": FIGURE,
    "leave_one_cluster_out": {"clusters": 3, "pooled": OUTCOME},
    "few_labels": [{"documents": 2, "images": 6.0, "accuracy": 0.9, "lowest": 0.8, "highest": 1.0}],
    "unfamiliarity_scores": {"distance": dict.fromkeys(SCORE, 0.5)},
}
GIVEN = ["red", "green", *(f"image-{number:02}" for number in range(28))]  # the first two are those that the model names as nearest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Thirty labelled images, six of them in the test set, and one without a label that cannot be decoded."""
    images = tmp_path / "images"
    images.mkdir()
    kept, labels, split, predicted = [], [], [], []
    predictor = Predictor(write_model(tmp_path / "model", LABELS, max_unfamiliarity=0.8))
    for number, key in enumerate(GIVEN):
        Image.new("RGB", (12, 8 + number % 3), COLOURS[number % 3]).save(images / f"{key}.png")
        kept.append(item(key, f"document {number // 2}.pdf", 8 + number % 3))
        label = LABELS[(number + (number == 10)) % 3]  # the eleventh's label is wrong, which is lime
        labels.append(Label(key, label, 1, 1.0))
        split.append(Assignment(key, "test" if number < 6 else "train", None if number < 6 else number % 4))
        if number >= 6:
            predicted.append(out_of_fold(key, label, split[-1].fold, predictor, (images / f"{key}.png").read_bytes()))
    (images / "broken.png").write_bytes(b"no image")
    kept.append(item("broken", "broken.pdf", 8))
    write_table(tmp_path / "items.csv", Item, kept)
    write_table(tmp_path / "labels.csv", Label, labels)
    write_table(tmp_path / "split.csv", Assignment, split)
    write_table(tmp_path / "reports" / "out_of_fold.csv", Prediction, predicted, without=("set",))
    curves = ([number, 1.0 / (number + 1), 0.5, 0.9] for number in range(3))
    write_csv(tmp_path / "reports" / "curves.csv", ["epoch", "train_loss", "validation_loss", "validation_accuracy"], curves)
    write_json(tmp_path / "reports" / "protocols.json", PROTOCOLS)
    write_csv(tmp_path / "texts.csv", ["key", "text"], [])
    challenge = tmp_path / "challenge" / LABELS[0]
    challenge.mkdir(parents=True)
    Image.new("RGB", (9, 9), "red").save(challenge / "a.png")
    return tmp_path


def item(key: str, source: str, height: int) -> Item:
    return Item(key=key, source=source, page=0, index=0, status="kept", image=f"{key}.png", width=12, height=height)


def out_of_fold(key: str, label: str, fold: int | None, predictor: Predictor, data: bytes) -> Prediction:
    answer = predictor.classify(data)
    return Prediction(
        key=key, fold=fold, label=label, prediction=answer.prediction, decision=answer.decision, confidence=answer.confidence,
        unfamiliarity=answer.unfamiliarity, probabilities=pack(answer.probabilities.values()),
    )  # fmt: skip


def judge(project: Path, at_least: dict[str, float]) -> dict[str, Any]:
    """Run the stage; the reports in JSON by name."""
    paths = [
        project / name for name in ("images", "texts.csv", "items.csv", "labels.csv", "split.csv", "model", "challenge", "reports")
    ]
    evaluate(*paths, at_least=at_least, at_most={"cross_validation.calibration_error": 0.1}, seed=0)
    return {path.stem: json.loads(path.read_text()) for path in (project / "reports").glob("*.json")}


def test_the_reports_hold_the_figures_whatever_the_classes_are_called(project: Path) -> None:
    found = judge(project, {"test.accuracy": 0.8, "cross_validation.accuracy": 0.99})
    metrics, details = found["metrics"], found["details"]
    assert list(metrics) == ["accuracy", "macro_f1", "ece", "answered", "wrong"]
    assert metrics["accuracy"] == pytest.approx(23 / 24, abs=1e-4)
    assert details["test"]["accuracy"]["value"] == 1
    # Lime is beyond the limit of unfamiliarity: right, and not answered; so the one wrong image, which is lime, is no wrong answer.
    assert metrics["answered"] == pytest.approx(2 / 3, abs=1e-4)
    assert metrics["wrong"] == 0
    assert details["cross_validation"]["answered_accuracy"]["value"] == 1
    assert set(details["cross_validation"]["classes"]) == set(LABELS)
    assert details["challenge"]["kinds"][LABELS[0]]["right"]["value"] == 1
    assert details["images"] == {
        "found": 31, "kept": 31, "repeat": 0, "rejected": 0, "labelled": 30, "sets": {"train": 24, "validation": 0, "test": 6}
    }  # fmt: skip
    assert not found["gate"]["passed"]
    assert [check["passed"] for check in found["gate"]["checks"]] == [True, False, True]


def test_a_row_for_every_image_and_pages_that_escape_what_they_name(project: Path) -> None:
    judge(project, {})
    rows = {row.key: row for row in read_table(project / "reports" / "predictions.csv", Prediction)}
    assert set(rows) == {*GIVEN, "broken"}
    assert (rows["broken"].decision, rows["broken"].prediction) == ("undecodable", None)
    assert (rows["green"].label, rows["green"].decision, rows["green"].set) == ("fold", "unsure", "test")
    card = (project / "reports" / "model_card.md").read_text()
    assert "&#60;b&#62;a&#124;b&#96;" in card
    assert "<b>" not in card
    page = (project / "reports" / "label_issues.html").read_text()
    assert "&lt;b&gt;a|b`" in page
    assert not re.search(r"<b\b", page)
    names = ["confusion", "curves", "mistakes", "reliability", "risk_coverage"]
    assert sorted(path.stem for path in (project / "reports" / "plots").glob("*.png")) == names


def test_a_second_run_gives_the_same_bytes(project: Path) -> None:
    judge(project, {})
    before = {path: path.read_bytes() for path in (project / "reports").rglob("*") if path.is_file() and path.stem != "latency"}
    judge(project, {})
    assert {path: path.read_bytes() for path in before} == before


def test_only_the_mistakes_that_are_shown_are_explained(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("quire.report.mistakes.SHEET", 1)
    monkeypatch.setattr("quire.model.explain.Explainer.nearest", lambda _, __, key: asked.append(key) or [])  # type: ignore[func-returns-value]
    judge(project, {})
    assert len(asked) == 1  # the wrong image is wrong in both sets


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("images/image-05.png", "no image", r"image-05.png: not a JPEG"),
        ("challenge/a.png", "no image", r"a.png: lies in no folder"),
        (
            "reports/out_of_fold.csv",
            "key,fold,label,prediction,decision\nother,1,label,label,label\n",
            "out_of_fold.csv: key other: ",
        ),
    ],
)
def test_what_is_wrong_is_named(project: Path, name: str, content: str, message: str) -> None:
    (project / name).write_text(content)
    with pytest.raises(BadInput, match=message):
        judge(project, {})


def test_a_bound_on_no_figure_is_refused(project: Path) -> None:
    with pytest.raises(BadInput, match=r"evaluate.at_least: tset.accuracy is no figure"):
        judge(project, {"tset.accuracy": 0.8})


def test_a_damaged_image_of_the_test_set_costs_itself_only(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = project / "images" / f"{GIVEN[2]}.png"
    damaged.write_bytes(b"no image any more")
    details = judge(project, {})["details"]
    assert details["test"]["images"] == 5
    assert f"evaluate: goes on without {damaged}: not a JPEG" in capsys.readouterr().out
    assert remembered(machine().cache, hashlib.sha256(damaged.read_bytes()).hexdigest()).startswith("not a JPEG")


def test_an_image_that_the_model_was_fitted_on_must_be_there(project: Path) -> None:
    (project / "images" / f"{GIVEN[-1]}.png").write_bytes(b"no image any more")
    with pytest.raises(BadInput, match=r"image-27\.png: not a JPEG"):
        judge(project, {})
