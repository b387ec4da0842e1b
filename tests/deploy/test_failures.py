"""A store that is down, refuses, is full or is cut off: one line in seconds, nothing lost, and the next push completes."""

import logging
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.minio.build import build
from deploy.minio.server import start, stop
from deploy.share import share as push_or_pull
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
        assert "quire store start" in said
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
            said = share(project, "push", status=1)
            assert len(errors(said)) == 1
            assert "minimum free drive threshold" in said or "no space left on device" in said
            subprocess.run(["mount", "-o", "remount,size=512m", str(disk)], check=True)
            share(project, "push")
            assert_complete(project, tmp_path / "colleague")
        finally:
            stop(folder)


def test_a_store_that_breaks_a_body_off_is_asked_once_more_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = ["An error occurred (IncompleteBody)", "An error occurred (XMinioStorageFull): minimum free drive threshold"]

    def dvc(arguments: list[str]) -> int:
        assert arguments == ["push", "--jobs", "1"]
        error = OSError(reasons.pop(0))
        logging.getLogger("dvc_data.hashfile.transfer").error("failed to transfer '%s'", "a file", exc_info=error)
        return 1

    monkeypatch.setattr("deploy.share.dvc", dvc)  # when MinIO answers before it has read the body is a matter of chance
    monkeypatch.setattr("deploy.share.refusal", lambda *_: None)
    with pytest.raises(SystemExit, match=r"^push: error: 1 files: An error occurred \(XMinioStorageFull\): minimum free"):
        push_or_pull("push", ["--jobs", "1"])
    assert reasons == []


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
