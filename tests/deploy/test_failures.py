"""A store that is down, refuses, is full or is cut off: one line in seconds, nothing lost, and the next push completes."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.minio.build import build
from deploy.minio.server import start, stop
from deploy.store import REMOTE, Store
from tests.conftest import commit, free_port
from tests.deploy.conftest import clone, content, run, share, small_disk
from tests.deploy.proxy import Proxy

pytestmark = pytest.mark.server

Small = Callable[[Store, int], Path]


def errors(said: str) -> list[str]:
    return [line for line in said.splitlines() if ": error: " in line]


def assert_complete(project: Path, folder: Path) -> None:
    """A colleague who pulls gets what is in the project."""
    colleague = clone(project, folder)
    share(colleague, "pull")
    assert content(colleague / "data") == content(project / "data")


def test_a_store_that_is_down(fragile: tuple[Path, Store], small: Small, tmp_path: Path) -> None:
    folder, store = fragile
    project = small(store, 30)
    stop(folder)
    for what in ("push", "pull"):
        said = share(project, what, status=1)
        assert said.startswith(f"{what}: error: {store.endpoint} does not answer")
        assert "make minio" in said
        assert len(said.splitlines()) == 1
    plain = run(project, "dvc", "push", status=None)
    assert f'Could not connect to the endpoint URL: "{store.endpoint}' in plain
    start(folder, int(store.endpoint.rpartition(":")[2]), store.bucket)
    share(project, "push")
    assert_complete(project, tmp_path / "colleague")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("secret_access_key", "wrong-but-long-enough", "the store refuses them: An error occurred (SignatureDoesNotMatch)"),
        ("access_key_id", "unknown", "the store refuses them: An error occurred (InvalidAccessKeyId)"),
        ("url", "s3://missing/dvc", "missing: An error occurred (NoSuchBucket)"),
    ],
)
def test_a_wrong_key_and_a_missing_bucket(minio: Store, small: Small, option: str, value: str, message: str) -> None:
    project = small(minio, 3)
    right = (project / ".dvc" / "config.local").read_text()
    run(project, "dvc", "remote", "modify", "--local", REMOTE, option, value)
    for what in ("push", "pull"):
        said = share(project, what, status=1)
        assert said.startswith(f"{what}: error: {message}")
        assert len(said.splitlines()) == 1
    (project / ".dvc" / "config.local").write_text(right)
    assert "4 files pushed" in share(project, "push")


def test_a_full_disk(small: Small, tmp_path: Path) -> None:
    build()
    folder = tmp_path / "minio"
    with small_disk(folder / "data") as disk:
        store = start(folder, free_port(), "quire")
        try:
            project = small(store, 10)
            for index in range(12):
                (project / "data" / f"large{index}").write_bytes(os.urandom(6_000_000))
            run(project, "dvc", "add", "--quiet", "data")
            commit(project, "large data")
            said = [share(project, "push", status=1) for _ in range(3)]
            assert all(len(errors(each)) == 1 for each in said)
            # MinIO names the disk, in two ways, unless it answers before it has read all: then the bytes that it missed
            assert any("minimum free drive threshold" in each or "no space left on device" in each for each in said)
            subprocess.run(["mount", "-o", "remount,size=512m", str(disk)], check=True)
            share(project, "push")
            assert_complete(project, tmp_path / "colleague")
        finally:
            stop(folder)


def test_a_connection_that_is_cut_in_the_middle_of_a_push(minio: Store, small: Small, tmp_path: Path) -> None:
    project = small(minio, 200)
    right = (project / ".dvc" / "config.local").read_text()
    with Proxy(minio.endpoint, cut_after=1_500_000) as proxy:
        run(project, "dvc", "remote", "modify", "--local", REMOTE, "endpointurl", proxy.endpoint)
        said = share(project, "push", status=1)
        assert proxy.was_cut
    assert len(errors(said)) == 1
    assert "files: " in said
    assert "Nothing is lost: once more sends what is missing" in said
    (project / ".dvc" / "config.local").write_text(right)
    pushed = int(share(project, "push").split(" files pushed")[0].split()[-1])
    assert 0 < pushed < 201  # what had arrived is not sent again
    assert_complete(project, tmp_path / "colleague")
