"""Real S3 servers on loopback: MinIO, built once a user from its pinned source, and SeaweedFS. A project to be shipped."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from git import Repo

from deploy.minio.build import build
from deploy.minio.server import start, stop
from deploy.store import REMOTE, Store, tell_dvc
from quire.provenance.lock import path_hash
from tests.conftest import ROOT, commit, free_port
from tests.quire.model.test_predictor import write_model

BINARIES = Path(sys.executable).parent
CONFIG = ROOT / ".dvc" / "config"


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A MinIO that most tests share. Where Go cannot build it, its tests fail and say why."""
    build()
    folder = tmp_path_factory.mktemp("minio")
    try:
        yield start(folder, free_port(), "quire")
    finally:
        stop(folder)


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[tuple[Path, Store]]:
    """A MinIO of one test's own, to be stopped under it, and its folder."""
    build()
    folder = tmp_path / "minio"
    try:
        yield folder, start(folder, free_port(), "quire")
    finally:
        stop(folder)


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A SeaweedFS with a bucket."""
    folder = tmp_path_factory.mktemp("seaweedfs")
    ports = [next(port for port in iter(free_port, None) if port < 55_000) for _ in range(4)]  # it takes those + 10,000 for gRPC
    store = Store(f"http://127.0.0.1:{ports[3]}", "quire", "key", "secret-of-a-test")
    keys = [{"accessKey": store.key, "secretKey": store.secret}]
    (folder / "s3.json").write_text(json.dumps({"identities": [{"name": "quire", "credentials": keys, "actions": ["Admin"]}]}))
    options = f"""-logtostderr server -dir={folder} -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port={ports[0]} -volume.port={ports[1]}
        -filer -filer.port={ports[2]} -s3 -s3.port={ports[3]} -s3.port.iceberg=0 -s3.port.lance=0 -s3.config={folder}/s3.json
        -master.volumeSizeLimitMB=256 -volume.max=20"""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([str(BINARIES / "weed"), *options.split()], stdout=log, stderr=log)
    try:
        wait_for_bucket(store, process)
        yield store
    finally:
        process.kill()  # SIGTERM takes it 25 seconds
        process.wait(timeout=20)


def wait_for_bucket(store: Store, process: "subprocess.Popen[bytes]", seconds: float = 90) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        assert process.poll() is None, "SeaweedFS ended"
        with contextlib.suppress(Exception):
            store.client().create_bucket(Bucket=store.bucket)
            store.client().put_object(Bucket=store.bucket, Key="ready", Body=b"")
            return
        time.sleep(0.5)
    raise AssertionError("SeaweedFS did not become ready")


def surroundings(project: Path) -> dict[str, str]:
    """The environment of a user without a store of his own, what DVC remembers of remotes kept beside the project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    own = {"PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    return kept | own | {"DVC_SITE_CACHE_DIR": str(project / ".dvc" / "site"), "AWS_MAX_ATTEMPTS": "1"}


def run(project: Path, *command: str, status: int | None = 0, environment: dict[str, str] | None = None) -> str:
    """What a command says, in a project; it must end with `status`, None for any, and within seconds."""
    done = subprocess.run(
        command,
        cwd=project,
        env=surroundings(project) | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    said = done.stdout + done.stderr
    assert status is None or done.returncode == status, said
    return said


def share(project: Path, what: str, status: int = 0) -> str:
    return run(project, sys.executable, "-m", "quire", "store", what, status=status)


@pytest.fixture
def small(tmp_path: Path) -> Callable[[Store, int], Path]:
    """A function that makes a project of `count` files of 20 KB, under DVC and committed, with this repository's remote."""

    def make(store: Store, count: int) -> Path:
        project = tmp_path / "small"
        (project / "data").mkdir(parents=True)
        for index in range(count):
            (project / "data" / f"{index:03}").write_bytes(index.to_bytes(2, "big") * 10_000)
        Repo.init(project)
        run(project, "dvc", "init", "--quiet")
        shutil.copy(CONFIG, project / ".dvc" / "config")
        tell_dvc(project, store)
        run(project, "dvc", "remote", "modify", "--local", REMOTE, "url", f"s3://{store.bucket}/{tmp_path.name}")
        run(project, "dvc", "add", "--quiet", "data")
        commit(project, "data")
        return project

    return make


def clone(project: Path, folder: Path) -> Path:
    """A colleague's clone, with the keys that he was given."""
    Repo(project).clone(str(folder))
    shutil.copy(project / ".dvc" / "config.local", folder / ".dvc" / "config.local")
    return folder


def keys(store: Store, prefix: str) -> set[str]:
    """The names of the objects in a part of the bucket."""
    pages = store.client().get_paginator("list_objects_v2").paginate(Bucket=store.bucket, Prefix=prefix)
    return {found["Key"] for page in pages for found in page.get("Contents", [])}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 64 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@dataclass
class Project:
    """A repository of its own and a BentoML store of its own."""

    root: Path
    home: Path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        surroundings = os.environ | {"BENTOML_HOME": str(self.home)} | environment
        return subprocess.run(arguments, cwd=self.root, env=surroundings, capture_output=True, text=True, check=False, timeout=600)

    def module(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", name, *arguments)

    def commit(self) -> str:
        for command in (("add", "--all"), ("commit", "--quiet", "--allow-empty", "-m", "test")):
            done = self.run("git", "-c", "user.name=test", "-c", "user.email=test@localhost", *command)
            assert done.returncode == 0, done.stderr
        return self.run("git", "rev-parse", "HEAD").stdout.strip()


def write_lock(root: Path) -> None:
    """The part of a dvc.lock that says which model is the commit's."""
    outs = [{"path": "model", "hash": "md5", "md5": path_hash(root / "model")}]
    lock = {"schema": "2.0", "stages": {"train": {"outs": outs}}}
    (root / "dvc.lock").write_text(json.dumps(lock))


@pytest.fixture
def project(make_project: Callable[[], Path], tmp_path: Path) -> Project:
    """A project with a committed dvc.lock that names the small model in it."""
    root = make_project()
    write_model(root / "model")
    write_lock(root)
    made = Project(root, tmp_path)
    made.commit()
    return made
