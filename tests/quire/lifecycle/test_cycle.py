"""`quire cycle` with a real MinIO, a real MLflow and a bare repository: what is better is served, what is worse leaves no trace."""

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from git import Repo
from PIL import Image
from ruamel.yaml import YAML

from deploy.store import REMOTE, Store, tell_dvc
from quire.command import BadInput
from quire.items.tables import read_csv
from quire.lifecycle.cycle import Round
from quire.lifecycle.history import NEW_ACCURACY, history
from quire.lifecycle.promotions import HISTORY
from quire.model.predictor import Predictor
from tests.conftest import commit
from tests.deploy.conftest import minio, surroundings
from tests.deploy.conftest import run as run_here

__all__ = ["minio"]  # the fixture
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


def batch(folder: Path, name: str, count: int, *, mixed: bool = False) -> Path:
    """Photos of a colour each in folders named by it; mixed up, by another."""
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            random = Random(f"{name} {label} {number}")
            shown = random.choice(list(COLOURS.values())) if mixed else colour
            noise = np.random.default_rng(random.randrange(2**32)).normal(0, 20, (64, 64, 3))
            pixels = np.clip(np.array(shown) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{name}-{number}.png")
    return folder


def quick(project: Path) -> None:
    yaml = YAML()
    parameters = yaml.load((project / "params.yaml").read_text())
    parameters["import_labels"]["classes"] = "auto"
    parameters["train"].update({"image_size": 64, "epochs": 2})
    parameters["train"]["zero_shot"]["groups"] = {}
    parameters["split"]["folds"] = 3
    parameters["evaluate"].update({"at_least": {"cross_validation.accuracy": 0.8}, "at_most": {}})
    with (project / "params.yaml").open("w") as stream:
        yaml.dump(parameters, stream)


def cycle(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quire", "cycle", *words]
    return subprocess.run(command, cwd=project, env=surroundings(project), capture_output=True, text=True, check=False, timeout=900)


@pytest.fixture
def project(make_project: Callable[[], Path], minio: Store, tmp_path: Path) -> Path:
    """A project with a first batch, its results pushed to the store and to a bare repository."""
    project = make_project()
    tell_dvc(project, minio)
    run_here(project, "dvc", "remote", "modify", "--local", REMOTE, "url", f"s3://{minio.bucket}/cycle")
    quick(project)
    run_here(project, sys.executable, "-m", "quire", "add", str(batch(tmp_path / "first", "first", 8)))
    run_here(project, "dvc", "repro")
    run_here(project, sys.executable, "-m", "quire", "store", "push")
    commit(project, "the first batch")
    Repo.init(tmp_path / "origin.git", bare=True)
    Repo(project).create_remote("origin", str(tmp_path / "origin.git"))
    Repo(project).git.push("--quiet", "origin", "HEAD")
    return project


@pytest.mark.server
@pytest.mark.pipeline
def test_batch_after_batch(project: Path, tmp_path: Path) -> None:
    origin, incoming = Repo(tmp_path / "origin.git"), tmp_path / "incoming"
    branch, here = Repo(project).active_branch.name, Repo(project).head.commit.hexsha

    def head() -> str:
        return str(origin.commit(branch).hexsha)

    done = cycle(project, str(batch(incoming, "second", 6)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "promoted, version 1: the gate is passed, and there was no champion" in done.stdout
    assert [commit.message.strip() for commit in origin.iter_commits(f"{here}..{branch}")] == [
        "promote: promoted, version 1",
        "cycle: another batch",
    ]
    assert Repo(project).head.commit.hexsha == here
    assert not Repo(project).is_dirty()

    promoted = head()
    done = cycle(project, str(incoming))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "cycle: nothing new")

    done = cycle(project, str(batch(tmp_path / "worse", "worse", 30, mixed=True)))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "refused, the gate is not passed: cross_validation.accuracy; nothing was committed or pushed" in done.stdout
    assert head() == promoted

    Repo(project).git.pull("--quiet", "origin", branch)
    run_here(project, sys.executable, "-m", "quire", "store", "pull")
    assert [row["action"] for row in read_csv(project / HISTORY)] == ["promoted"]
    assert len(list((project / "data/raw").rglob("*.png"))) == 3 * (8 + 6)

    _, first, second = history(project)  # the demo's data, and those before and after the round
    assert (first.labels, second.labels, second.changed) == (24, 42, "18 labels more")
    assert NEW_ACCURACY not in first.figures
    assert second.figures[NEW_ACCURACY]["value"] == asked_by_hand(project, first.commit)
    told = run_here(project, sys.executable, "-m", "quire", "history", "--no-fail")
    assert "18 labels more" in told
    assert "18 labels more" in (project / "reports/history.html").read_text()
    assert (project / "reports/history.png").read_bytes().startswith(b"\x89PNG")
    metrics = (project / "reports/history.prom").read_text()
    assert f'quire_history_figure{{end="value",figure="{NEW_ACCURACY}"}}' in metrics


def asked_by_hand(project: Path, commit: str) -> float:
    """How many of the second batch the first model gets right, by its own files."""
    clone = project.parent / "before"
    Repo(project).clone(str(clone)).git.checkout("--quiet", commit)
    (clone / ".dvc/config.local").write_bytes((project / ".dvc/config.local").read_bytes())
    run_here(clone, sys.executable, "-m", "quire", "store", "pull")
    predictor = Predictor(clone / "model")
    files = list((project / "data/raw").rglob("second-*.png"))
    right = [predictor.classify(file.read_bytes()).prediction == file.parent.name for file in files]
    assert len(right) == 18
    return round(sum(right) / len(right), 6)


def small(tmp_path: Path) -> Path:
    """A repository with a commit and nothing else."""
    project = tmp_path / "small"
    Repo.init(project)
    (project / "file").write_text("")
    commit(project, "start")
    return project


def test_a_second_round_waits_for_no_first(tmp_path: Path) -> None:
    project = small(tmp_path)
    with (project / ".git/quire-cycle.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        done = cycle(project, "file")
    assert (done.returncode, done.stderr) == (75, "cycle: another round is at work in small\n")
    assert cycle(project, "file").stderr.startswith("cycle: error: git has no remote `origin`")


def test_nothing_to_bring_in_is_nothing_new(tmp_path: Path) -> None:
    project = small(tmp_path)
    (project / "in").mkdir()
    done = cycle(project, "in")
    assert (done.returncode, done.stdout) == (0, "cycle: nothing new: in is empty\n")
    assert cycle(project).stderr == "cycle: error: name what may bring something new: a folder, --annotations or --tool\n"


@pytest.mark.parametrize(("failing", "said"), [({"git"}, "git failed"), ({"git", "rollback"}, "stays champion: rollback failed")])
def test_what_cannot_be_pushed_is_not_champion(
    failing: set[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def run(_: Round, *words: str) -> None:
        calls.append(words)
        if failed := failing & set(words):
            raise BadInput(f"{failed.pop()} failed")

    monkeypatch.setattr(Round, "run", run)
    with pytest.raises(BadInput, match=said):
        Round(tmp_path, "main", {}).push()
    assert calls[-1][-1] == "rollback"
