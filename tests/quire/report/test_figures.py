from pathlib import Path

from PIL import Image

from quire.report.figures import Mistake, draw_mistakes

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def make_image(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (40, 30), colour).save(path)
    return path


def mistakes(folder: Path, count: int) -> list[Mistake]:
    """Red images, the light on blue, each with one green training image."""
    red, green = make_image(folder / "red.png", RED), make_image(folder / "green.png", GREEN)
    places = Image.new("RGB", (30, 30), BLUE)
    return [
        Mistake(
            f"doc_page{number}_index0", red, "cat", "dog", 0.5 + number / 100, "test set", places, [("dog: b.pdf, page 4", green)]
        )
        for number in range(count)
    ]


def drawn(path: Path) -> tuple[int, set[object]]:
    """The height of a sheet and its colours."""
    with Image.open(path) as sheet:
        return sheet.height, {colour for _, colour in sheet.convert("RGB").getcolors(2**24) or []}


def test_a_mistake_has_a_row_with_its_places_and_the_training_images_most_like_it(tmp_path: Path) -> None:
    draw_mistakes(mistakes(tmp_path, 1), "Wrong answers", tmp_path / "one.png")
    draw_mistakes(mistakes(tmp_path, 3), "Wrong answers", tmp_path / "three.png")
    height, colours = drawn(tmp_path / "one.png")
    assert {RED, GREEN, BLUE} <= colours
    assert drawn(tmp_path / "three.png")[0] > 1.8 * height


def test_no_mistakes_are_a_sheet_too_and_many_are_cut(tmp_path: Path) -> None:
    draw_mistakes([], "Wrong answers", tmp_path / "none.png")
    assert RED not in drawn(tmp_path / "none.png")[1]
    draw_mistakes(mistakes(tmp_path, 24), "Wrong answers", tmp_path / "all.png")
    draw_mistakes(mistakes(tmp_path, 30), "Wrong answers", tmp_path / "cut.png")
    assert drawn(tmp_path / "cut.png")[0] == drawn(tmp_path / "all.png")[0]
