"""MinIO built from its pin, run and ended as `quire store start` and `stop` do."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from git import Repo

from deploy.go_tool import GoError, go
from deploy.minio.build import build, minio
from deploy.minio.server import credentials, running, start, stop
from deploy.store import Store, of_dvc
from tests.conftest import ROOT, free_port
from tests.deploy.conftest import CONFIG, run

pytestmark = pytest.mark.server

STORE = (sys.executable, "-m", "quire", "store")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    Repo.init(folder)
    run(folder, "dvc", "init", "--quiet")
    shutil.copy(CONFIG, folder / ".dvc" / "config")
    shutil.copy(ROOT / ".gitignore", folder / ".gitignore")
    return folder


def test_the_binary_is_the_pinned_commit() -> None:
    said = subprocess.run([str(build()), "--version"], capture_output=True, text=True, check=True).stdout
    assert "RELEASE.2026-02-12T20-18-48Z" in said
    assert minio().binary.name.startswith("minio-7aac2a2c5b7c-")


def test_start_finds_the_running_one_and_stop_ends_it(project: Path) -> None:
    port = str(free_port())
    try:
        first = run(project, *STORE, "start", environment={"MINIO_PORT": port})
        assert f"DVC's remote is s3://quire/dvc at http://127.0.0.1:{port}" in first
        process = running(project / ".minio")
        assert process
        assert run(project, *STORE, "start", environment={"MINIO_PORT": port}) == first
        assert running(project / ".minio") == process
        store = of_dvc(project)
        assert store == credentials(project / ".minio")
        assert store.client().list_buckets()["Buckets"][0]["Name"] == "quire"
        for secret in (project / ".minio" / "env", project / ".dvc" / "config.local"):
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        listed = Repo(project).git.ls_files("--others", "--exclude-standard").splitlines()
        assert not [name for name in listed if name.startswith(".minio") or name.endswith("config.local")]
    finally:
        assert "stopped; its data stay" in run(project, *STORE, "stop")
    assert running(project / ".minio") is None
    assert "none of this folder runs" in run(project, *STORE, "stop")


def test_data_and_keys_outlive_a_stop(tmp_path: Path) -> None:
    try:
        first = start(tmp_path / "minio", free_port(), "quire")
        first.client().put_object(Bucket="quire", Key="kept", Body=b"kept")
        stop(tmp_path / "minio")
        second = start(tmp_path / "minio", free_port(), "quire")
        assert (second.key, second.secret) == (first.key, first.secret)
        assert second.client().get_object(Bucket="quire", Key="kept")["Body"].read() == b"kept"
    finally:
        stop(tmp_path / "minio")


def test_a_port_that_is_taken_is_one_line(project: Path, minio: Store) -> None:
    port = minio.endpoint.rpartition(":")[2]
    said = run(project, *STORE, "start", status=1, environment={"MINIO_PORT": port})
    assert said == f"start: error: port {port} is taken by another process; name a free one: MINIO_PORT=9100 quire store start\n"


def test_a_store_of_ones_own_is_named_by_environment_and_nothing_is_built(project: Path, minio: Store, tmp_path: Path) -> None:
    own = minio.environment() | {"QUIRE_CACHE": str(tmp_path / "cache")}
    said = run(project, *STORE, "start", environment=own)
    assert f"s3://quire/dvc at {minio.endpoint}; keys come from the environment" in said
    assert not (tmp_path / "cache").exists()
    assert not (project / ".minio").exists()
    assert minio.secret not in (project / ".dvc" / "config.local").read_text()
    (project / "data").write_text("data")
    run(project, "dvc", "add", "--quiet", "data")
    assert "1 file pushed" in run(project, "dvc", "push", environment=own)
    assert "no store is set up" in run(project, *STORE, "push", status=1)


def test_without_go_it_comes_from_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("QUIRE_CACHE", str(tmp_path))
    said = subprocess.run([str(go("1.24")), "version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("go version go1.")
    assert go("1.24").is_relative_to(tmp_path)


def test_a_build_without_network_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QUIRE_CACHE", str(tmp_path))
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    with pytest.raises(
        GoError, match=r"Go could not build github\.com/minio/minio v0\.0\.0-20260212201848-7aac2a2c5b7c: .*disabled"
    ):
        build()
    assert not list(tmp_path.glob("minio*"))
