"""What the history says of versions whose data are gone, of data that came back, and of what changed. The whole is test_cycle's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from git import Repo

from quire.command import BadInput
from quire.items.tables import Item, Label, write_table
from quire.lifecycle.history import history
from tests.conftest import commit

FIGURE = {"value": 0.9, "low": 0.8, "high": 1.0}
CROSSED = {"accuracy": FIGURE, "answered": FIGURE, "calibration_error": FIGURE, "classes": {"cat": {"f1": FIGURE}}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUIRE_CACHE", str(tmp_path / "cache"))
    Repo.init(tmp_path / "project")
    dvc(tmp_path / "project", "init", "--quiet")
    (tmp_path / "project/params.yaml").write_text("epochs: 1\n")
    return tmp_path / "project"


def dvc(project: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=project, check=True, capture_output=True)


def made(project: Path, labels: dict[str, str], epochs: int = 1) -> None:
    """A commit with results, as the stages write them: items, all of them labelled, and figures."""
    items = [Item(key=key, source=key, status="kept", image=key, image_sha256=key) for key in labels]
    write_table(project / "data/items.csv", Item, items)
    write_table(project / "data/labels.csv", Label, [Label(key, label, 1, 1.0) for key, label in labels.items()])
    (project / "reports").mkdir(exist_ok=True)
    (project / "reports/details.json").write_text(json.dumps({"labels": labels, "cross_validation": CROSSED}))
    (project / "params.yaml").write_text(f"epochs: {epochs}\n")
    outs = ("data/items.csv", "data/labels.csv", "reports/details.json")
    given = [word for out in outs for word in ("--outs", out)]
    dvc(project, "stage", "add", "--force", "--quiet", "--name", "train", "--params", "epochs", *given, "true")
    dvc(project, "commit", "--force", "--quiet")
    commit(project, "results")


def test_a_version_is_a_state_of_the_data_and_of_several_commits_on_it_the_last(project: Path) -> None:
    made(project, {"a": "cat", "b": "dog"})
    made(project, {"a": "cat", "b": "dog"}, epochs=2)
    made(project, {"a": "dog", "c": "dog", "d": "cat"}, epochs=3)
    made(project, {"a": "cat", "b": "dog"}, epochs=3)
    found = history(project)
    assert [(version.items, version.labels) for version in found] == [(2, 2), (3, 3), (2, 2)]
    assert found[0].commit == Repo(project).commit("HEAD~2").hexsha
    assert [version.changed for version in found] == [
        "the first",
        "2 labels more, 1 labels less, 1 labels changed, train.epochs",
        "1 labels more, 2 labels less, 1 labels changed",
    ]
    assert found[1].figures["cross_validation.classes.cat.f1"] == FIGURE


def test_what_another_branch_has_is_no_part_of_it(project: Path) -> None:
    made(project, {"a": "cat"})
    Repo(project).git.checkout("--quiet", "-b", "other")
    made(project, {"a": "cat", "b": "dog"})
    Repo(project).git.checkout("--quiet", "-")
    assert len(history(project)) == 1


def test_data_that_were_freed_leave_a_line_that_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(project, {"a": "cat"})
    made(project, {"a": "cat", "b": "dog"})
    dvc(project, "gc", "--workspace", "--force")
    first, second = history(project)
    assert (first.changed, first.figures) == ("its tables are out of reach: `dvc fetch --all-commits`", {})
    assert second.labels == 2
    assert "new_batch.accuracy" not in second.figures
    said = "model was not asked about what is new in"
    assert f"history: {first.commit[:7]}'s {said} {second.commit[:7]}: it is neither in the cache" in capsys.readouterr().out


def test_without_results_there_is_no_history(project: Path) -> None:
    commit(project, "nothing")
    with pytest.raises(BadInput, match="no commit has results yet"):
        history(project)
