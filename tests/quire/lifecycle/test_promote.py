"""Promotion against a real MLflow registry: what becomes champion, what is refused, and the way back."""

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from git import Repo

from quire.model.manifest import hash_part
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


def promote(project: Path, *options: str, command: str = "promote") -> subprocess.CompletedProcess[str]:
    return run(project, sys.executable, "-m", "quire", command, *options, check=False)


def history(project: Path) -> list[dict[str, str]]:
    with (project / "deploy" / "promotions.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


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
    assert failed.stderr.startswith("promote: error: model is not what HEAD's dvc.lock names: `make repro`")


@pytest.mark.pipeline
def test_a_worse_model_is_refused_whatever_its_gate_says(restored: Path) -> None:
    move_bias(restored, 1000)
    commit(restored, "a model that says dog")
    refused = promote(restored)
    assert refused.returncode == 1
    assert f"promote: refused, worse than version 1: {HELD_OUT} images of " in refused.stdout
    assert "documents that neither was fitted on, right alone: champion " in refused.stdout
    assert history(restored)[-1]["action"] == "refused"
    assert promote(restored, "--margin", "1").returncode == promote(restored, "--accept", "me: I like dogs").returncode == 1


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
def test_a_model_of_few_documents_wants_a_person_and_can_go_back(
    restored: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{restored}/mlflow.db")
    first = history(restored)[0]["model"]
    move_bias(restored, 0.25)
    commit(restored, "a model with another bias")
    refused = promote(restored)
    assert refused.returncode == 1
    assert f"refused, too few documents to show it no worse than version 1: {HELD_OUT} images of " in refused.stdout
    alone = r" documents that neither was fitted on, right alone: champion \d, candidate \d, net loss between -0\.\d+ and 0\.\d+"
    assert re.search(alone, refused.stdout)
    assert "margin 0.05; --accept 'NAME: REASON' takes it all the same" in refused.stdout
    accepted = promote(restored, "--accept", "Jo: the bias was wrong")
    assert accepted.returncode == 0, accepted.stderr
    assert "too few documents" in history(restored)[-1]["reason"]
    assert history(restored)[-1]["reason"].endswith("; accepted: Jo: the bias was wrong")
    second = history(restored)[-1]["model"]
    assert (first != second, history(restored)[-1]["version"]) == (True, "2")

    with serve(model="models:/quire@champion") as served:
        image = next((restored / "data" / "images").iterdir()).read_bytes()
        said = served.client.post("/v1/classify", content=image).json()["model"]
        assert (said["version"], said["commit"]) == (second[:12], history(restored)[-1]["commit"])

    (restored / "deploy" / "promotions.csv").unlink()  # the registry knows
    assert "version 1 of commit" in promote(restored, command="rollback").stdout
    with serve(model="models:/quire@champion") as served:
        assert served.client.post("/v1/classify", content=image).json()["model"]["version"] == first[:12]
    again = promote(restored, command="rollback")
    assert again.stderr == "rollback: error: models:/quire@champion: the registry names no champion before the present one\n"


@pytest.mark.pipeline
def test_what_is_shown_to_lose_less_than_the_margin_needs_nobody(restored: Path) -> None:
    move_bias(restored, 0.5)
    commit(restored, "another bias")
    done = promote(restored, "--margin", "0.3")
    assert done.returncode == 0, done.stdout
    assert f"no worse than version 1: {HELD_OUT} images of " in done.stdout


@pytest.mark.pipeline
def test_held_out_is_told_by_content_and_with_the_whole_document(demo: Path) -> None:
    """An image that the champion was fitted on under another name or as a challenge image is none, nor what hangs on it."""
    from quire.items.tables import Assignment, Item, read_table
    from quire.lifecycle.promote import _fitted, _held_out
    from quire.model.predictor import Predictor

    candidate, fitted = Predictor(demo / "model"), _fitted(demo)
    images, documents = _held_out(demo, fitted, candidate)
    assert len(images) == len(documents) == HELD_OUT
    tested = {row.key for row in read_table(demo / "data" / "split.csv", Assignment) if row.set == "test"}
    rows = [item for item in read_table(demo / "data" / "items.csv", Item) if item.key in tested]
    of_group = [item for item in rows if item.group == rows[0].group]
    assert len(of_group) > 1
    without, _ = _held_out(demo, fitted | {str(rows[0].image_sha256)}, candidate)
    assert len(without) == HELD_OUT - len(of_group)
    challenge = next(image.file for image in images if image.file and "challenge" in image.file.parts)
    without, _ = _held_out(demo, fitted | {hash_part(challenge)}, candidate)
    assert len(without) == HELD_OUT - 1
