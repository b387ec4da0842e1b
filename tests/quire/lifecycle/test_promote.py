"""Promotion against a real MLflow registry: what becomes champion, what is refused, and the way back."""

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from git import Repo

from quire.lifecycle.promote import Paired
from quire.lifecycle.promotions import champions
from tests.conftest import commit, move_bias, run
from tests.service.conftest import Serve, serve

HELD_OUT = 22 + 18  # the demo's test set and its challenge images

__all__ = ["serve"]  # the fixture


@pytest.fixture(scope="module")
def promoted(demo: Path) -> Iterator[Path]:
    """The demo with its model promoted: the first champion, version 1."""
    done = promote(demo)
    assert done.returncode == 0, done.stderr
    assert "promote: promoted, version 1: the gate is passed, and there was no champion" in done.stdout
    yield demo
    reset(demo)


@pytest.fixture
def restored(promoted: Path) -> Iterator[Path]:
    """The same, with the results put back afterwards."""
    yield promoted
    history = (promoted / "deploy" / "promotions.csv").read_text()
    reset(promoted)
    (promoted / "deploy").mkdir(exist_ok=True)
    (promoted / "deploy" / "promotions.csv").write_text(history)


def reset(project: Path) -> None:
    Repo(project).git.reset("--hard", "results")
    run(project, "dvc", "checkout")


def promote(project: Path, command: str = "promote") -> subprocess.CompletedProcess[str]:
    return run(project, sys.executable, "-m", "quire", command, check=False)


def history(project: Path) -> list[dict[str, str]]:
    with (project / "deploy" / "promotions.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(("alone", "p_value"), [((0, 0), 1.0), ((3, 3), 0.65625), ((5, 0), 0.03125), ((0, 5), 1.0)])
def test_the_paired_test_is_mcnemars(alone: tuple[int, int], p_value: float) -> None:
    assert Paired(20, *alone).p_value == p_value


def test_a_rollback_takes_the_last_champion_away() -> None:
    actions = [("promoted", "1"), ("refused", ""), ("promoted", "2"), ("rolled back", "1"), ("promoted", "3")]
    rows = [{"action": action, "version": version} for action, version in actions]
    assert [row["version"] for row in champions(rows)] == ["1", "3"]


@pytest.mark.pipeline
def test_the_champion_is_not_promoted_twice(promoted: Path) -> None:
    before = history(promoted)
    assert "nothing to do, version 1 is the champion already" in promote(promoted).stdout
    assert history(promoted) == before


@pytest.mark.pipeline
def test_a_model_that_is_not_committed_is_an_error(restored: Path) -> None:
    move_bias(restored, 0.25)
    failed = promote(restored)
    assert failed.returncode == 1
    assert failed.stderr.startswith("promote: error: model/answer_image.onnx is not what HEAD's dvc.lock names: `make repro`")


@pytest.mark.pipeline
def test_a_worse_model_is_refused_whatever_its_gate_says(restored: Path) -> None:
    move_bias(restored, 1000)
    commit(restored, "a model that says dog")
    refused = promote(restored)
    assert refused.returncode == 1
    assert (
        f"promote: refused, worse than version 1: {HELD_OUT} images that neither was fitted on, right alone: champion "
        in refused.stdout
    )
    assert history(restored)[-1]["action"] == "refused"


@pytest.mark.pipeline
def test_a_model_that_fails_its_gate_is_refused(restored: Path) -> None:
    parameters = restored / "params.yaml"
    parameters.write_text(parameters.read_text().replace("test.accuracy: 0.8", "test.accuracy: 1.01"))
    move_bias(restored, 0.25)
    run(restored, "dvc", "repro", "--single-item", "evaluate")
    commit(restored, "asking too much")
    refused = promote(restored)
    assert refused.returncode == 1
    assert "promote: refused, the gate is not passed: test.accuracy is 1.0, the bound is at least 1.01" in refused.stdout


@pytest.mark.pipeline
@pytest.mark.filterwarnings("default:.*loader strategy is deprecated")  # MLflow's own use of SQLAlchemy
def test_an_equal_model_is_promoted_served_and_rolled_back(restored: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{restored}/mlflow.db")
    first = history(restored)[0]["model"]
    move_bias(restored, 0.25)
    commit(restored, "a model with another bias")
    assert f"no worse than version 1: {HELD_OUT} images that neither was fitted on" in promote(restored).stdout
    second = history(restored)[-1]["model"]
    assert (first != second, history(restored)[-1]["version"]) == (True, "2")

    with serve(model="models:/quire@champion") as served:
        image = next((restored / "data" / "images").iterdir()).read_bytes()
        said = served.client.post("/v1/classify", content=image).json()["model"]
        assert (said["version"], said["commit"]) == (second[:12], history(restored)[-1]["commit"])

    assert "version 1 of commit" in promote(restored, "rollback").stdout
    with serve(model="models:/quire@champion") as served:
        assert served.client.post("/v1/classify", content=image).json()["model"]["version"] == first[:12]
    again = promote(restored, "rollback")
    assert again.stderr == "rollback: error: deploy/promotions.csv: no champion before the present one\n"
