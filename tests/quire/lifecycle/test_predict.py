"""`quire predict`: the service's answers, in order, complete after a kill, in CSV and Parquet alike."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pyarrow import parquet

from quire.command import BadInput
from quire.demo.images import pdf
from quire.lifecycle import predict as module
from quire.lifecycle.answers import Journal
from quire.lifecycle.predict import predict
from quire.model.predictor import Answer, Predictor
from service.inference import Inference, Sent
from service.pdf import PdfReader
from service.settings import Settings
from tests.conftest import ROOT, Encode
from tests.quire.model.test_predictor import write_model


@pytest.fixture
def folder(tmp_path: Path, make_image: Encode, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a model; in `in`, twelve images, a PDF whose last image repeats its first, and files that have no answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUIRE_CACHE", str(tmp_path / "cache"))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    write_model(tmp_path / "model")
    place = tmp_path / "in"
    (place / "b").mkdir(parents=True)
    for number in range(12):
        (place / f"b/{number:02}.jpg").write_bytes(make_image(seed=number, size=(640, 480)))
    pages = [make_image(seed=number, size=(64, 48)) for number in (20, 21, 20)]
    (place / "a.pdf").write_bytes(pdf(pages))
    (place / "empty.jpg").write_bytes(b"")
    (place / "text.txt").write_text("no image")
    (place / "broken.pdf").write_bytes(b"%PDF-1.7")
    (place / ".hidden").write_text("")
    return tmp_path


def rows_of(out: Path) -> list[dict[str, str]]:
    with out.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_answers_are_the_services(folder: Path) -> None:
    said, failed = predict([folder / "in"], folder / "answers.csv", folder / "model")
    rows = rows_of(folder / "answers.csv")
    inference = Inference(Settings(model=folder / "model"))
    images = [row for row in rows if row["source"].endswith(".jpg") and not row["error"]]
    assert len(images) == 12
    for row in images:
        answer = inference.classify(Sent(Path(row["source"]).read_bytes())).answer
        assert (row["prediction"], row["decision"], row["reason"]) == (answer.prediction, answer.decision, answer.reason or "")
        assert json.loads(row["probabilities"]) == {label: round(share, 6) for label, share in answer.probabilities.items()}
    assert failed == 3
    assert said.startswith(f"{len(rows)} items: ")
    assert said.endswith(f"3 without an answer, in {folder / 'answers.csv'}")


async def _of_pdf(inference: Inference, path: Path) -> list[tuple[Any, ...]]:
    """What the service says of each image of a PDF."""
    found = await PdfReader(inference.settings).read(path.read_bytes())
    told = [(image, repeat, inference.classify(Sent(image.data)).answer) for image, repeat in found if not image.problem]
    return [(str(image.page), str(image.index), str(repeat), answer.decision) for image, repeat, answer in told]


def test_a_pdf_gives_the_services_images(folder: Path) -> None:
    import asyncio

    predict([folder / "in/a.pdf"], folder / "answers.csv", folder / "model")
    served = asyncio.run(_of_pdf(Inference(Settings(model=folder / "model")), folder / "in/a.pdf"))
    rows = [row for row in rows_of(folder / "answers.csv") if not row["error"]]
    assert [(row["page"], row["index"], row["repeat"], row["decision"]) for row in rows] == served
    assert [(row["key"], row["repeat"]) for row in rows] == [
        ("a_page0_index0", "False"),
        ("a_page1_index0", "False"),
        ("a_page2_index0", "True"),
    ]


def test_rows_are_in_order_and_a_bad_item_is_a_row_with_its_reason(folder: Path) -> None:
    predict([folder / "in"], folder / "answers.csv", folder / "model")
    rows = rows_of(folder / "answers.csv")
    keys = [row["key"] for row in rows if row["page"] == ""]
    assert keys == [*(f"b__{number:02}.jpg" for number in range(12)), "broken.pdf", "empty.jpg", "text.txt"]
    reasons = {row["key"]: row["error"] for row in rows if row["error"]}
    assert reasons["empty.jpg"] == "no bytes at all"
    assert reasons["text.txt"].startswith("not a JPEG")
    assert reasons["broken.pdf"].startswith("damaged")
    assert all((row["decision"] == "") == bool(row["error"]) for row in rows)


class Killed(BaseException):
    """As a signal: nothing catches it."""


def killed_after(count: int, out: Path) -> None:
    """A run that ends after the answers of so many files, and leaves half a line of the next."""
    append = Journal.append

    def some(journal: Journal, answers: Any) -> None:
        append(journal, islice(answers, count))
        with journal.path.open("a") as stream:
            stream.write('[["half a li')
        raise Killed

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(Journal, "append", some)
        with pytest.raises(Killed):
            predict([out.parent / "in"], out, out.parent / "model")


@pytest.mark.parametrize("name", ["answers.csv", "answers.parquet"])
def test_a_run_that_was_killed_gives_the_same_when_run_again(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = predict([folder / "in"], folder / name, folder / "model")
    expected = (folder / name).read_bytes()
    (folder / name).unlink()
    killed_after(5, folder / name)
    assert not (folder / name).exists()
    asked, answer = list[object](), Predictor.classify_item

    def classify_item(predictor: Predictor, square: NDArray[np.uint8] | None, text: str | None) -> Answer:
        asked.append(square)
        return answer(predictor, square, text)

    monkeypatch.setattr(Predictor, "classify_item", classify_item)
    assert predict([folder / "in"], folder / name, folder / "model") == whole
    assert (folder / name).read_bytes() == expected
    assert len(asked) == 8  # b/04.jpg to b/11.jpg: a.pdf and four were answered
    assert "goes on after 5 of 16 files" in capsys.readouterr().err
    assert [path.name for path in folder.glob(".*")] == []


def test_what_was_answered_for_another_question_is_not_gone_on_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_after(5, folder / "answers.csv")
    write_model(folder / "model", min_confidence=1.1)
    predict([folder / "in"], folder / "answers.csv", folder / "model")
    assert {row["decision"] for row in rows_of(folder / "answers.csv") if not row["error"]} == {"unsure"}


def test_a_file_that_changed_since_is_asked_anew(folder: Path) -> None:
    killed_after(5, folder / "answers.csv")
    (folder / "in/b/00.jpg").write_bytes(b"no image any more")
    predict([folder / "in"], folder / "answers.csv", folder / "model")
    assert {row["key"]: row["error"] for row in rows_of(folder / "answers.csv")}["b__00.jpg"].startswith("not a JPEG")


def test_the_bounds_are_extracts(folder: Path) -> None:
    parameters = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(parameters.replace("max_pixels: 50000000", "max_pixels: 100000"))
    predict([folder / "in"], folder / "answers.csv", folder / "model")
    reasons = {row["error"] for row in rows_of(folder / "answers.csv") if row["key"].startswith("b__")}
    assert reasons == {"640 x 480 pixels, over the limit of 100000"}


def test_parquet_has_the_cells_of_csv(folder: Path) -> None:
    for name in ("answers.csv", "answers.parquet"):
        predict([folder / "in"], folder / name, folder / "model")
    told = parquet.read_table(folder / "answers.parquet").to_pylist()
    texts = [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in told]
    assert texts == rows_of(folder / "answers.csv")


def test_the_work_ahead_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD", 1)
    monkeypatch.setattr(module, "MANY", 1)
    predict([folder / "in"], folder / "answers.csv", folder / "model")
    assert len(rows_of(folder / "answers.csv")) == 18


def test_the_table_and_what_is_no_file_are_not_asked(folder: Path) -> None:
    (folder / "in/gone.jpg").symlink_to("nowhere")
    for _ in range(2):
        predict([folder / "in"], folder / "in/b/answers.csv", folder / "model")
    assert len(rows_of(folder / "in/b/answers.csv")) == 18


@pytest.mark.parametrize(
    ("source", "out", "said"),
    [
        ("in", "answers.txt", "ends in .csv or .parquet"),
        ("no", "a.csv", "no such file or folder"),
        ("bare", "a.csv", "no file in it"),
    ],
)
def test_what_cannot_be_asked_is_refused(source: str, out: str, said: str, folder: Path) -> None:
    (folder / "bare").mkdir()
    with pytest.raises(BadInput, match=said):
        predict([folder / source], folder / out, folder / "model")


def test_the_exit_status_tells_whether_all_was_answered(
    folder: Path, quire: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = quire("predict", "in", "--out", "answers.csv")
    assert done.returncode == 3
    assert done.stdout.startswith("predict: ")
    assert quire("predict", "in/b", "--out", "answers.csv").returncode == 0


@pytest.fixture
def quire(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "quire", *words], cwd=folder, capture_output=True, text=True, check=False)

    return run
