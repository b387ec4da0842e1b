"""Drift between data versions and between the service's log and the training data, on the demo."""

import csv
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from git import Repo
from PIL import Image

from quire.items.tables import Assignment, Item, read_table
from tests.conftest import commit, run
from tests.service.conftest import Serve, serve

pytestmark = pytest.mark.pipeline
__all__ = ["serve"]  # the fixture


@pytest.fixture(scope="module")
def grown(demo: Path) -> Path:
    """The demo whose first commit had half of its documents: the other half came in since, from the same source."""
    documents = sorted((demo / "data" / "raw").glob("demo-*.pdf"))
    later = {path: path.read_bytes() for path in documents[::2]}
    for path in later:
        path.unlink()
    run(demo, "dvc", "repro", "extract")
    run(demo, "dvc", "add", "--quiet", "data/raw")
    commit(demo, "half of it")
    Repo(demo).create_tag("half", force=True)
    Repo(demo).git.reset("--hard", "results")
    run(demo, "dvc", "checkout")
    return demo


def drift(project: Path, *arguments: str) -> tuple[int, dict[str, bool], str]:
    done = run(project, sys.executable, "-m", "quire", "drift", *arguments, check=False)
    if done.returncode == 2:
        return 2, {}, done.stderr
    with (project / "reports" / "drift.csv").open(newline="") as stream:
        return done.returncode, {row["measure"]: row["drifted"] == "True" for row in csv.DictReader(stream)}, done.stdout


def test_documents_of_the_same_source_are_no_drift(grown: Path) -> None:
    status, drifted, table = drift(grown, "--since", "half")
    assert (status, any(drifted.values())) == (0, False), table
    assert set(drifted) == {"class mix", "image size", "confidence", "embedding"}
    with Image.open(grown / "reports" / "drift.png") as image:
        assert image.width > 1000


def test_what_cannot_be_compared_is_said_and_is_neither_of_the_two_verdicts(grown: Path) -> None:
    assert drift(grown, "--since", "results") == (2, {}, "drift: error: no image came in since results\n")
    assert drift(grown, "--since", "nowhere") == (2, {}, "drift: error: nowhere: no such commit here\n")
    assert drift(grown, "none.db") == (2, {}, "drift: error: none.db: no such file; the service writes it\n")


def test_a_log_of_images_of_the_same_source_is_quiet_and_one_of_others_is_not(demo: Path, serve: Serve, tmp_path: Path) -> None:
    """The test set's: what a model was fitted on is more familiar to it than what comes in."""
    tested = {row.key for row in read_table(demo / "data/split.csv", Assignment) if row.set == "test"}
    images = [demo / "data/images" / str(item.image) for item in read_table(demo / "data/items.csv", Item) if item.key in tested]
    changes: dict[str, Callable[[Image.Image], Image.Image]] = {
        "same": lambda image: image,
        "grey and narrow": lambda image: image.convert("L").resize((90, 300)),
    }
    for name, change in changes.items():
        store = tmp_path / name
        with serve(model=str(demo / "model"), store=str(store)) as served:
            for path in images:
                with Image.open(path) as image:
                    change(image.convert("RGB")).save(tmp_path / "sent.png")
                assert served.client.post("/v1/classify", content=(tmp_path / "sent.png").read_bytes()).status_code == 200
        status, drifted, table = drift(demo, str(store / "answers.db"))
        assert status == (name != "same"), table
        assert drifted["image size"] == (name != "same")
    assert "DRIFT" in table
    logs = [str(tmp_path / name / "answers.db") for name in changes]
    status, drifted, table = drift(demo, *logs)
    assert status == 1
    assert f"2 logs ({2 * len(images)} images" in table
    shutil.rmtree(store)
