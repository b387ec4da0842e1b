"""What is drawn, looked at through Matplotlib's own objects."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from quire.evaluation.curves import reliability
from quire.report import figures
from tests.quire.evaluation.rows import predictions

NOWHERE = Path("nowhere.png")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures instead of files; each is rendered, so that what cannot be drawn fails."""
    kept: list[Figure] = []

    def save(figure: Figure, _: Path) -> None:
        figure.canvas.draw()
        kept.append(figure)

    monkeypatch.setattr(figures, "save", save)
    return kept


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 45])
def test_epochs_are_whole_numbers(drawn: list[Figure], epochs: int) -> None:
    row = {"train_loss": "0.5", "validation_loss": "0.6", "validation_accuracy": "0.7"}
    figures.draw_curves([{"epoch": str(number), **row} for number in range(epochs)], NOWHERE)
    for axes in drawn[0].axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks == [round(tick) for tick in ticks]
        assert ticks


def test_reliability_has_points_with_intervals_and_no_line_through_them(drawn: list[Figure]) -> None:
    confidence = np.linspace(0.5, 0.99, 60)
    bins = reliability(predictions(confidence.tolist(), [number % 4 > 0 for number in range(60)]))
    figures.draw_reliability(bins, "Reliability", NOWHERE)
    (axes,) = drawn[0].axes
    assert [len(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "--"] == [2]  # type: ignore[arg-type]
    assert not [line for line in axes.lines if line.get_linestyle() == "-"]
    ((segments,),) = [container.lines[2] for container in axes.containers]  # type: ignore[attr-defined]
    ends = [(float(segment[0][1]), float(segment[1][1])) for segment in segments.get_segments()]
    assert ends == [pytest.approx((each["accuracy"]["low"], each["accuracy"]["high"])) for each in bins]
    low, high = axes.get_xlim()
    assert all(low < each["confidence"] < high for each in bins)
    assert axes.get_ylim()[0] < min(low for low, _ in ends)


@pytest.mark.parametrize(("classes", "shown"), [(3, 3), (27, 27), (1000, 30)])
def test_a_confusion_matrix_shows_the_classes_with_the_most_errors(drawn: list[Figure], classes: int, shown: int) -> None:
    counts = 5 * np.eye(classes, dtype=np.int64)
    counts[2, 1] = 4
    figures.draw_confusion({"test set": counts, "cross-validation": counts}, [f"c{number}" for number in range(classes)], NOWHERE)
    names = [label.get_text() for label in drawn[0].axes[0].get_yticklabels()]
    assert len(names) == shown
    assert {"c1", "c2"} <= set(names)
    assert "4" in [text.get_text() for text in drawn[0].axes[0].texts]
    assert max(drawn[0].get_size_inches()) < 30


def test_names_are_drawn_as_they_are_and_too_long_ones_are_cut(drawn: list[Figure]) -> None:
    figures.draw_confusion({"test set": np.eye(2, dtype=np.int64)}, ["$x^$ and $y_$", "n" * 80], NOWHERE)
    assert figures.plain("n" * 80, 24) == "n" * 11 + "…" + "n" * 11
    assert figures.plain("$", 9) == r"\$"


def test_the_worst_are_told_by_errors_as_label_and_as_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_CLASSES", 2)
    assert figures.most_confused(np.array([[9, 0, 0], [0, 9, 2], [0, 0, 9]])).tolist() == [1, 2]
    assert figures.most_confused(np.array([[9, 0, 0], [2, 9, 0], [0, 0, 99]])).tolist() == [0, 1]


def test_a_figure_holds_no_clock_and_no_version(tmp_path: Path) -> None:
    for name in ("once.png", "again.png"):
        figures.draw_explanation("cat 0.9", Image.new("RGB", (9, 9)), Image.new("RGB", (9, 9)), [], tmp_path / name)
    assert (tmp_path / "once.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert mpl.__version__.encode() not in (tmp_path / "once.png").read_bytes()
