"""A team's day with data in a store: the whole with MinIO, the same commands with SeaweedFS."""

import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from git import Repo
from ruamel.yaml import YAML

from deploy.store import REMOTE, Store, tell_dvc
from tests.conftest import commit
from tests.deploy.conftest import clone, content, keys, run, share

pytestmark = pytest.mark.server

Small = Callable[[Store, int], Path]


@pytest.mark.parametrize("server", ["minio", "seaweedfs"])
def test_push_pull_and_gc(server: str, small: Small, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The same with each server: only endpoint and keys differ."""
    store: Store = request.getfixturevalue(server)
    project = small(store, 20)
    assert "21 files pushed" in share(project, "push")
    assert "Everything is up to date" in share(project, "push")
    colleague = clone(project, tmp_path / "colleague")
    share(colleague, "pull")
    assert content(colleague / "data") == content(project / "data")
    for path in sorted((project / "data").iterdir())[:15]:
        path.unlink()
    run(project, "dvc", "add", "--quiet", "data")
    commit(project, "less data")
    share(project, "push")
    assert len(keys(store, tmp_path.name)) == 22
    run(project, "dvc", "gc", "--workspace", "--cloud", "--force")
    assert len(keys(store, tmp_path.name)) == 6


def quick(project: Path, **split: object) -> None:
    """Let the pipeline run in seconds: small images, few epochs."""
    yaml = YAML()
    parameters = yaml.load((project / "params.yaml").read_text())
    parameters["train"].update({"image_size": 64, "epochs": 2})
    parameters["split"]["folds"] = 3
    parameters["split"].update(split)
    with (project / "params.yaml").open("w") as stream:
        yaml.dump(parameters, stream)


@pytest.mark.pipeline
def test_a_teams_day(demo: Path, minio: Store, tmp_path: Path) -> None:
    project = Path(shutil.copytree(demo, tmp_path / "project", symlinks=True))
    tell_dvc(project, minio)
    run(project, "dvc", "remote", "modify", "--local", REMOTE, "url", f"s3://{minio.bucket}/day")
    share(project, "push")
    commit(project, "data and results")
    first = content(project / "data" / "raw")

    colleague = clone(project, tmp_path / "colleague")
    share(colleague, "pull")
    said = run(colleague, "dvc", "repro")
    assert "Running stage" not in said
    assert "Data and pipelines are up to date" in said
    assert (colleague / "model" / "model.json").read_bytes() == (project / "model" / "model.json").read_bytes()

    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "client.pdf").write_bytes(next(iter(first.values())) + b"\n%client")
    run(project, sys.executable, "-m", "quire", "add", str(tmp_path / "new"))
    share(project, "push")
    commit(project, "another client")
    assert set(content(project / "data" / "raw")) == {"client.pdf"}

    Repo(colleague).remotes.origin.pull()
    share(colleague, "pull")
    assert content(colleague / "data" / "raw") == content(project / "data" / "raw")
    Repo(colleague).git.checkout("HEAD~1")
    share(colleague, "pull")
    assert content(colleague / "data" / "raw") == first


@pytest.mark.pipeline
def test_the_run_cache_shares_results(make_project: Callable[[], Path], minio: Store, tmp_path: Path) -> None:
    """What one has computed and not committed, another with the same inputs and parameters need not compute."""
    project = make_project()
    tell_dvc(project, minio)
    run(project, "dvc", "remote", "modify", "--local", REMOTE, "url", f"s3://{minio.bucket}/run-cache")
    run(project, sys.executable, "-m", "quire", "demo")
    commit(project, "the demo")
    colleague = clone(project, tmp_path / "colleague")
    quick(project, seed=21)
    assert "Running stage 'split'" in run(project, "dvc", "repro", "split")
    run(project, "dvc", "push", "--run-cache")
    quick(colleague, seed=21)
    run(colleague, "dvc", "pull", "--run-cache", "data/raw.dvc", "data/annotations.dvc")
    said = run(colleague, "dvc", "repro", "--pull", "split")
    assert "Stage 'split' is cached - skipping run" in said
    assert "Running stage" not in said
    assert (colleague / "data" / "split.csv").read_bytes() == (project / "data" / "split.csv").read_bytes()


def test_repro_asks_no_store(small: Small) -> None:
    """With a remote in .dvc/config, as without one, what is here is made here: nothing connects, be it up or down."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        project = small(Store(f"http://127.0.0.1:{listener.getsockname()[1]}", "quire", "key", "secret"), 2)
        run(project, "dvc", "stage", "add", "--quiet", "--name", "copy", "--deps", "data", "--outs", "out", "cp -r data out")
        assert "Running stage 'copy'" in run(project, "dvc", "repro")
        assert "didn't change, skipping" in run(project, "dvc", "repro")
        with pytest.raises(BlockingIOError):
            listener.accept()
