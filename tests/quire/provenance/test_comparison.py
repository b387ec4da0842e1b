"""Results held against a commit, on a pipeline of two stages that copy: what differs is named, here or out of reach."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.api import DVCFileSystem
from git import Repo

from quire.command import BadInput
from quire.provenance import revisions
from quire.provenance.comparison import Comparison
from quire.provenance.prove import compare_here
from quire.provenance.revisions import Version
from tests.conftest import commit, run

DVC_YAML = """
stages:
  train:
    cmd: mkdir -p model && cp given/model.csv model/model.csv
    deps: [given]
    outs: [model/model.csv]
  evaluate:
    cmd: mkdir -p reports/plots && cp given/metrics.json reports/ && cp given/model.csv reports/plots/a.csv
    deps: [model/model.csv]
    outs: [reports/plots]
    metrics: [reports/metrics.json: {cache: false}]
"""


def write(project: Path, folder: str, share: float, accuracy: float) -> None:
    (project / folder).mkdir(parents=True, exist_ok=True)
    (project / folder / "model.csv").write_text(f"key,share\na,{share}\n")
    (project / folder / "metrics.json").write_text(json.dumps({"accuracy": accuracy}))


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that ran once and was committed."""
    project = tmp_path_factory.mktemp("committed")
    Repo.init(project)
    run(project, "dvc", "init", "--quiet")
    (project / "dvc.yaml").write_text(DVC_YAML)
    write(project, "given", 0.5, 0.9)
    run(project, "dvc", "repro", "--quiet")
    commit(project, "results")
    return project


@pytest.fixture
def project(committed: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(committed, tmp_path / "project"))


def change(project: Path, share: float, accuracy: float) -> None:
    """Let the same inputs give other results, as another machine might."""
    (project / "model" / "model.csv").unlink()
    write(project, "model", share, accuracy)
    shutil.move(project / "model" / "metrics.json", project / "reports" / "metrics.json")
    (project / "reports" / "plots" / "a.csv").unlink()
    shutil.copy(project / "model" / "model.csv", project / "reports" / "plots" / "a.csv")
    run(project, "dvc", "commit", "--force", "--quiet")


def compare(project: Path) -> Comparison:
    return compare_here(project, "HEAD")


def test_what_was_committed_is_identical(project: Path) -> None:
    found = compare(project)
    assert (found.is_identical, found.has_equal_figures) == (True, True)
    assert found.report().endswith("\nidentical to the committed results")


@pytest.mark.parametrize(("gap", "equal"), [(0.0005, True), (0.0015, False)])
def test_figures_may_differ_by_a_thousandth(project: Path, gap: float, equal: bool) -> None:
    change(project, 0.5, 0.9 + gap)
    found = compare(project)
    assert (found.is_identical, found.has_equal_figures) == (False, equal)
    assert f"first difference: stage evaluate, reports/metrics.json, field accuracy: 0.9 became {0.9 + gap}" in found.report()
    assert ("beyond bytes: reports/metrics.json is equal within 0.001" in found.report()) == equal
    status = subprocess.run([sys.executable, "-m", "quire", "prove", "--here"], cwd=project, capture_output=True, check=False)
    assert status.returncode == (0 if equal else 1)


def test_every_output_that_differs_is_named(project: Path) -> None:
    change(project, 0.75, 0.9)
    report = compare(project).report()
    assert "train          1 outputs 1 of 1 DIFFERENT: model/model.csv" in report
    assert "evaluate       2 outputs 1 of 2 DIFFERENT: reports/plots" in report
    assert "first difference: stage train, model/model.csv, row 1, column share: 0.5 became 0.75" in report


def test_committed_bytes_that_are_nowhere_are_said_to_be(project: Path) -> None:
    """As on a machine that cloned the repository and made results of its own, without a remote."""
    change(project, 0.75, 0.9)
    shutil.rmtree(project / ".dvc" / "cache")
    found = compare(project)
    assert (found.is_identical, found.has_equal_figures) == (False, True)
    report = found.report()
    assert "first difference: stage train, model/model.csv, the committed bytes are not here to compare with" in report
    assert "1 of 2 DIFFERENT: reports/plots" in report


def test_without_results_there_is_nothing_to_compare(project: Path) -> None:
    (project / "dvc.lock").unlink()
    with pytest.raises(BadInput, match=r"no dvc\.lock here, so nothing was made yet"):
        compare(project)


def test_a_commit_is_opened_once_however_many_files_are_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def count(path: str, rev: str) -> DVCFileSystem:
        opened.append(rev)
        return DVCFileSystem(path, rev=rev)

    monkeypatch.setattr(revisions, "DVCFileSystem", count)
    earlier = Version(project, Repo(project).head.commit.hexsha, {})
    assert earlier.read("model/model.csv") == earlier.read("reports/plots/a.csv") == b"key,share\na,0.5\n"
    assert earlier.read("reports/metrics.json") == b'{"accuracy": 0.9}'
    assert earlier.read("model/nothing.csv") is None
    assert len(opened) == 1
