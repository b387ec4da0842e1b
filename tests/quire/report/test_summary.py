import shutil
from pathlib import Path

from quire.items.tables import write_json
from quire.report.summary import comparison, summary
from tests.quire.provenance.test_comparison import change, committed, project

__all__ = ["committed", "project"]  # the fixtures: a pipeline of two stages that was committed


def figure(value: float) -> dict[str, dict[str, float]]:
    return {"accuracy": {"value": value, "low": value - 0.1, "high": 1.0}}


def said(reports: Path, classes: dict[str, int]) -> list[str]:
    (reports / "plots").mkdir(parents=True, exist_ok=True)
    (reports / "plots" / "curves.png").touch()
    images = {"found": 9, "kept": 6, "repeat": 2, "rejected": 1, "labelled": 5, "sets": {"train": 3, "validation": 1, "test": 1}}
    write_json(reports / "details.json", {"images": images, "test": figure(0.9), "cross_validation": figure(0.95)})
    write_json(reports / "gate.json", {"passed": False, "checks": [{"figure": "test.accuracy", "passed": False}]})
    write_json(reports / "labels.json", {"classes": classes, "counts": {"unlabelled": 1}})
    return summary(Path("data"), reports).strip().splitlines()


def test_the_summary_says_what_was_made_and_where_to_look(tmp_path: Path) -> None:
    lines = said(tmp_path, {"cat": 2, "dog": 3})
    assert lines[:5] == [
        "items     9 found: 6 kept, 2 repeats, 1 rejected (data/items.csv)",
        f"labels    5: 3 dog, 2 cat; 1 unlabelled ({tmp_path}/labels.json)",
        "sets      3 train, 1 validation, 1 test (data/split.csv)",
        "accuracy  test 0.900 (95 % interval 0.800 to 1.000), cross-validated 0.950 (95 % interval 0.850 to 1.000)",
        f"gate      not passed: test.accuracy ({tmp_path}/gate.json)",
    ]
    assert all(line[8:10] == "  " and line[10] != " " for line in lines)  # what is said is aligned
    assert f"figures   {tmp_path}/plots: curves.png" in lines
    assert f"look at   {tmp_path}/plots/mistakes.png, {tmp_path}/label_issues.html" in lines


def test_of_many_classes_the_commonest_are_named(tmp_path: Path) -> None:
    classes = {f"c{number:03}": 1000 - number for number in range(1000)}
    assert said(tmp_path, classes)[1].startswith("labels    5: 1000 c000, 999 c001, ")
    assert "991 c009 and 990 more classes; 1 unlabelled" in said(tmp_path, classes)[1]


def test_what_was_committed_is_identical_and_what_differs_is_named(project: Path) -> None:
    assert comparison(project) == "identical to the committed results"
    change(project, 0.75, 0.9)
    assert "DIFFERENT from the committed ones: stage train, model/model.csv, row 1, column share: 0.5 became 0.75" in comparison(
        project
    )


def test_without_the_committed_bytes_the_file_that_differs_is_named_all_the_same(project: Path) -> None:
    change(project, 0.75, 0.9)
    shutil.rmtree(project / ".dvc" / "cache")
    found = comparison(project)
    assert "stage train, model/model.csv, the committed bytes are not here to compare with" in found
    assert "\n" not in found
