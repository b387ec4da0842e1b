from pathlib import Path

import pytest
from PIL import Image

from quire.model.predictor import Predictor
from quire.report.mistakes import SHEET, Mistake, draw_mistakes, find_mistakes
from tests.quire.evaluation.rows import predictions
from tests.quire.model.test_predictor import write_model

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    return Predictor(write_model(tmp_path / "model"))


def drawn(count: int, predictor: Predictor, folder: Path) -> tuple[int, set[object]]:
    """The height of the sheet of so many red images, each beside a green training image, and its colours."""
    files = {name: folder / f"{name}.png" for name in ("asked", "red", "green")}
    for name, file in files.items():
        Image.new("RGB", (40, 30), GREEN if name == "green" else RED).save(file)
    mistakes = [Mistake("asked", "dog", "cat", 0.5 + number / 100) for number in range(count)]
    draw_mistakes(mistakes, count, files, {}, predictor, folder / "sheet.png")
    with Image.open(folder / "sheet.png") as sheet:
        return sheet.height, {colour for _, colour in sheet.convert("RGB").getcolors(2**24) or []}


def test_a_mistake_has_a_row_with_the_training_images_most_like_it(predictor: Predictor, tmp_path: Path) -> None:
    height, colours = drawn(1, predictor, tmp_path)
    assert {RED, GREEN} <= colours
    assert drawn(3, predictor, tmp_path)[0] > 1.8 * height


def test_no_mistakes_are_a_sheet_too(predictor: Predictor, tmp_path: Path) -> None:
    assert RED not in drawn(0, predictor, tmp_path)[1]


def test_the_most_confident_mistakes_come_first_and_all_are_counted() -> None:
    confidences = [0.5 + number / 100 for number in range(40)]
    part = predictions(confidences, [number % 4 == 0 for number in range(40)])
    mistakes, count = find_mistakes(part, ["cat", "dog"])
    assert (count, len(mistakes)) == (30, SHEET)
    assert [mistake.key for mistake in mistakes[:3]] == ["image-39", "image-38", "image-37"]
    assert (mistakes[0].label, mistakes[0].prediction, mistakes[0].confidence) == ("dog", "cat", 0.89)
