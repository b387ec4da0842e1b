"""When a figure of the newest data version is an alert, and how it is told."""

from pathlib import Path

import pytest

from quire.command import BadInput
from quire.lifecycle.history import DataVersion, as_rows
from quire.lifecycle.levels import Alert, alerts, annotate, write_metrics
from quire.report.history import MOST_LINES, Point, draw_history, write_page

ACCURACY, ERROR = "cross_validation.accuracy", "cross_validation.calibration_error"


def version(commit: str = "c" * 40, **figures: tuple[float, float, float]) -> DataVersion:
    names = {"accuracy": ACCURACY, "error": ERROR}
    told = {names.get(name, name): {"value": value, "low": low, "high": high} for name, (value, low, high) in figures.items()}
    return DataVersion(commit, "2026-01-01", 10, 8, "the first", told)  # type: ignore[arg-type]


BEFORE = version("b" * 40, accuracy=(0.9, 0.85, 0.95), error=(0.03, 0.01, 0.05))


@pytest.mark.parametrize(
    ("now", "wrong"),
    [
        (version(accuracy=(0.86, 0.8, 0.9), error=(0.05, 0.0, 0.1)), []),
        (version(accuracy=(0.84, 0.8, 0.9), error=(0.06, 0.0, 0.1)), [ACCURACY, ERROR]),
        (version(accuracy=(1.0, 0.9, 1.0), error=(0.0, 0.0, 0.1)), []),  # better by more than the interval
    ],
)
def test_a_fall_by_more_than_the_interval_is_an_alert(now: DataVersion, wrong: list[str]) -> None:
    assert [alert.figure for alert in alerts([BEFORE, now], {}, {})] == wrong
    assert alerts([now], {}, {}) == []


def test_a_fall_is_from_the_last_version_that_has_the_figure() -> None:
    found = [BEFORE, version("d" * 40, error=(0.03, 0.0, 0.1)), version(accuracy=(0.8, 0.7, 0.9))]
    said = f"{ACCURACY} is 0.8000, and was 0.9000 (0.8500 to 0.9500) at bbbbbbb"
    assert alerts(found, {}, {}) == [Alert(ACCURACY, "fall", said)]


def test_a_level_is_missed_below_it_or_above_it() -> None:
    assert alerts([BEFORE], {ACCURACY: 0.9}, {ERROR: 0.03}) == []
    missed = alerts([BEFORE], {ACCURACY: 0.91}, {ERROR: 0.02})
    assert [alert.said for alert in missed] == [
        f"{ACCURACY} is 0.9000, required is at least 0.91",
        f"{ERROR} is 0.0300, required is at most 0.02",
    ]
    with pytest.raises(
        BadInput, match=r"history.at_least: accuracy is no figure of the history; there are cross_validation.accuracy"
    ):
        alerts([BEFORE], {"accuracy": 0.9}, {})


def test_an_alert_is_a_line_an_annotation_and_a_metric(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = Alert(ACCURACY, "fall", "it fell")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    annotate([alert])
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    annotate([alert])
    assert capsys.readouterr().out == "history: ALERT: it fell\n::error title=quire history::it fell\n"
    write_metrics([BEFORE], [alert], tmp_path / "history.prom")
    lines = (tmp_path / "history.prom").read_text().splitlines()
    assert f'quire_history_alert{{figure="{ACCURACY}",kind="fall"}} 1.0' in lines
    assert f'quire_history_figure{{end="low",figure="{ACCURACY}"}} 0.85' in lines
    assert "quire_history_items 10.0" in lines


def test_the_page_and_the_figure_stand_a_thousand_classes_and_a_hostile_name(tmp_path: Path) -> None:
    lines: dict[str, list[Point | None]] = {
        f"cross_validation.classes.$<b>{number}.f1": [None, (number / 1000, 0.0, 1.0)] for number in range(1000)
    }
    lines[ACCURACY] = [(0.9, 0.8, 1.0), None]
    found = [BEFORE, version()]
    draw_history([each.commit for each in found], lines, tmp_path / "history.png")
    write_page([each.facts for each in found], lines, ["<script>"], "history.png", tmp_path / "history.html")
    page = (tmp_path / "history.html").read_text()
    assert page.count("<th>") == 5 + 1 + MOST_LINES
    assert "$&lt;b&gt;0<" in page  # the worst class
    assert "<b>" not in page
    assert "<script>" not in page
    assert "0.900 (0.800 to 1.000)" in page
    assert (tmp_path / "history.png").stat().st_size < 200_000


def test_the_table_has_each_figure_with_its_ends() -> None:
    header, rows = as_rows([BEFORE, version(accuracy=(0.5, 0.4, 0.6))])
    assert header[:5] == ["commit", "date", "items", "labels", "changed"]
    assert header[5:8] == [ACCURACY, f"{ACCURACY}.low", f"{ACCURACY}.high"]
    assert rows[1][5:] == ["0.500000", "0.400000", "0.600000", "", "", ""]
