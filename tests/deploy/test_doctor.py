"""`quire doctor`: each thing that can be wrong is a line with its remedy, and exit status 1."""

import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from git import Repo

from deploy.doctor.project import secrets
from deploy.doctor.store import clock
from deploy.store import REMOTE, Store
from tests.conftest import ROOT, commit, free_port
from tests.deploy.conftest import run, small_disk

pytestmark = pytest.mark.server

Small = Callable[[Store, int], Path]
Diagnose = Callable[..., dict[str, str]]


@pytest.fixture
def project(small: Small, minio: Store) -> Path:
    """A small project whose store is there."""
    folder = small(minio, 2)
    shutil.copy(ROOT / "requirements.lock", folder)
    commit(folder, "the lock")
    return folder


def diagnose(project: Path, status: int, **environment: str) -> dict[str, str]:
    """Each check and the rest of its line, "ok" or "fix" first."""
    said = run(project, sys.executable, "-m", "quire", "doctor", status=status, environment=environment)
    lines = [line for line in said.splitlines() if line[:5] in ("ok   ", "fix  ", "skip ")]
    return {line[5:18].strip(): f"{line[:5].strip()} {line[18:]}" for line in lines}


def test_all_in_order(project: Path) -> None:
    found = diagnose(project, 0)
    assert list(found) == [
        *("store", "clock", "credentials", "bucket", "writable", "checksums"),
        *("versions", "disk", "cache links", "MLflow", "model", "secrets"),
    ]
    assert {line.split()[0] for check, line in found.items() if check != "model"} == {"ok"}
    assert found["model"] == "skip no dvc.lock yet: make repro"


def test_no_store_is_a_state_and_no_error(project: Path) -> None:
    (project / ".dvc" / "config.local").unlink()
    found = diagnose(project, 0, AWS_EC2_METADATA_DISABLED="true")
    assert found["store"] == "skip no store is set up; data stay on this machine. quire store start sets one up"
    assert found["bucket"] == "skip not looked at: store comes first"


@pytest.mark.parametrize(
    ("option", "value", "check", "line"),
    [
        (
            "endpointurl",
            f"http://127.0.0.1:{free_port()}",
            "store",
            "does not answer: [Errno 111] Connection refused → quire store start",
        ),
        ("access_key_id", "unknown", "credentials", "the store refuses them: An error occurred (InvalidAccessKeyId)"),
        ("url", "s3://missing/dvc", "bucket", "missing: An error occurred (NoSuchBucket)"),
    ],
)
def test_the_store(project: Path, option: str, value: str, check: str, line: str) -> None:
    run(project, "dvc", "remote", "modify", "--local", REMOTE, option, value)
    found = diagnose(project, 1)
    assert found[check].startswith("fix ")
    assert line in found[check]
    assert " → " in found[check]


def test_the_clock(minio: Store) -> None:
    answer = httpx.get(minio.endpoint, timeout=5)
    assert clock(answer, datetime.now(UTC)).state == "ok"
    an_hour_off = clock(answer, datetime.now(UTC) + timedelta(hours=1))
    assert (an_hour_off.state, an_hour_off.remedy) == ("fix", "set the clock: timedatectl set-ntp true")
    assert re.match(r"\+3(600|599|601) s from the store's", an_hour_off.said)


def test_a_version_that_is_not_the_locked_one(project: Path) -> None:
    lock = project / "requirements.lock"
    lock.write_text(lock.read_text().replace("\nboto3==", "\nboto3==0."))
    assert "boto3 1." in diagnose(project, 1)["versions"]


def test_links_that_do_not_work_here(project: Path) -> None:
    run(project, "dvc", "config", "--local", "cache.type", "hardlink")
    run(project, "dvc", "config", "--local", "cache.dir", "/dev/shm/quire-test-cache")
    try:
        assert diagnose(project, 1)["cache links"].startswith("fix cache.type is hardlink, which does not work between")
    finally:
        shutil.rmtree("/dev/shm/quire-test-cache")


def test_a_disk_that_is_almost_full(project: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        shutil.copytree(project, disk / "project")
        assert diagnose(disk / "project", 1)["disk"].startswith("fix 0.1 GB free")


def test_mlflow(project: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    assert diagnose(project, 1, MLFLOW_TRACKING_URI=dead)["MLflow"].startswith(f"fix {dead} does not answer")
    (project / "mlflow.db").write_bytes(b"no database" * 100)
    assert "file is not a database" in diagnose(project, 1)["MLflow"]
    (project / "mlflow.db").unlink()
    with sqlite3.connect(project / "mlflow.db") as database:
        database.execute("create table runs (id integer)")
    database.close()
    assert diagnose(project, 0)["MLflow"] == "ok mlflow.db holds 0 runs"


def test_the_model_against_the_lock(project: Path) -> None:
    (project / "model").mkdir()
    (project / "model" / "model.json").write_bytes(b"model")
    lock = "schema: '2.0'\nstages:\n  train:\n    cmd: x\n    outs:\n    - path: model/model.json\n      md5: {}\n"
    (project / "dvc.lock").write_text(lock.format("20f35e630daf44dbfa4c3f68f5399d8c"))
    assert diagnose(project, 0)["model"] == "ok model/ is the one of dvc.lock"
    (project / "model" / "model.json").write_bytes(b"another")
    assert diagnose(project, 1)["model"].startswith("fix model/model.json is not the one of dvc.lock → dvc checkout")
    (project / "model" / "model.json").unlink()
    assert diagnose(project, 1)["model"].startswith("fix model/model.json is not the one of dvc.lock → dvc checkout or dvc pull")


def test_secrets_in_tracked_files(project: Path, minio: Store) -> None:
    shutil.copy(project / ".dvc" / "config.local", project / "notes.txt")
    (project / "settings.py").write_text(f'\nAWS_SECRET_ACCESS_KEY = "{"wJalrXUtnFEMI" * 3}"\n')
    assert "none in tracked files" in diagnose(project, 0)["secrets"]  # git knows neither yet
    commit(project, "a mistake")
    found = diagnose(project, 1)["secrets"]
    assert "notes.txt holds a key in use" in found
    assert "settings.py, line 2: Secret Keyword" in found
    assert minio.secret not in found


@pytest.mark.parametrize(
    ("parts", "kind"),  # in parts, so that this file holds none
    [
        (("AKIA", "Z7JQ3M5XKPL2RTQA"), "AWS Access Key"),
        (("-----BEGIN RSA ", "PRIVATE KEY-----"), "Private Key"),
        (("token: ghp_", "R8d9Kf3jQm2Lx7Vb5Nz1Tc4Wy6Ha0Ge9UpSi"), "GitHub Token"),
        (("postgres://quire:", "s3cr3tPass9@db.example.com"), "Basic Auth Credentials"),
        (("    secret_access_key = ", "Zx8TqQ1J0sO3l5vY2nRk7WmB4cE6fH9uAaDdGg12"), "Secret Keyword"),
        (("sha256: ", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"), None),
        (("url = https://user:", "${PASSWORD}@example.com"), None),
    ],
)
def test_what_looks_like_a_secret(tmp_path: Path, parts: tuple[str, str], kind: str | None) -> None:
    Repo.init(tmp_path)
    run(tmp_path, "dvc", "init", "--quiet")
    (tmp_path / "notes.txt").write_text("".join(parts) + "\n")
    commit(tmp_path, "notes")
    assert secrets(tmp_path).said == (f"notes.txt, line 1: {kind}" if kind else "none in tracked files")


def test_this_repository_holds_no_secret() -> None:
    assert secrets(ROOT).state == "ok", secrets(ROOT).said
    places = [".env", ".minio/env", ".dvc/config.local"]
    assert Repo(ROOT).git.check_ignore(places).splitlines() == places
