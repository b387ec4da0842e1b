"""Push and pull of 10,000 small images against MinIO, by DVC with different settings.

python -m benchmarks.store
"""

import os
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.serving import free_port
from deploy.minio.server import start, stop
from deploy.store import REMOTE, Store, tell_dvc

IMAGES, BYTES = 10_000, 20_000  # of each
SETTINGS = ((8, ""), (8, "us-east-1"), (32, ""), (32, "us-east-1"))  # jobs; region, without which s3fs looks for each bucket's


def dvc(project: Path, *arguments: str) -> str:
    """Run DVC, with what it remembers of remotes kept in the project: seconds by the clock and, in brackets, of its processor."""
    environment = os.environ | {"DVC_SITE_CACHE_DIR": str(project / ".dvc" / "site")}
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["dvc", *arguments], cwd=project, env=environment, check=True, capture_output=True)
    clock, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return f"{clock:.1f} ({after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.1f})"


def make_project(project: Path) -> None:
    """A repository that tracks files as large, and as hard to compress, as JPEGs are."""
    subprocess.run(["git", "init", "--quiet", str(project)], check=True)
    (project / "images").mkdir()
    random = np.random.default_rng(20)
    for index in range(IMAGES):
        (project / "images" / f"{index:05}.jpg").write_bytes(random.bytes(BYTES))
    for arguments in (("init", "--quiet"), ("remote", "add", "--default", REMOTE, "s3://benchmark"), ("add", "images")):
        dvc(project, *arguments)


def forget(project: Path, *more: str) -> None:
    """Lose what DVC remembers of the remote, and what else is named."""
    for place in (".dvc/tmp", ".dvc/site", *more):
        shutil.rmtree(project / place, ignore_errors=True)


def measure(project: Path, store: Store, jobs: int, region: str) -> list[str]:
    """The push, one more with nothing to do, and the pull into an empty clone."""
    tell_dvc(project, store)
    dvc(project, "remote", "modify", "--local", REMOTE, "url", f"s3://{store.bucket}/{jobs}{region}")
    if region:
        dvc(project, "remote", "modify", "--local", REMOTE, "region", region)
    forget(project)
    pushes = [dvc(project, "push", "--jobs", str(jobs)) for _ in range(2)]
    forget(project, ".dvc/cache", "images")
    return [*pushes, dvc(project, "pull", "--jobs", str(jobs))]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project, minio = Path(folder, "project"), Path(folder, "minio")
        store = start(minio, free_port(), "benchmark")
        try:
            make_project(project)
            print(f"{os.cpu_count()} cores, {IMAGES} images of {BYTES / 1000:.0f} KB\n")
            print("| seconds (of processor) | push | nothing to push | pull |\n|---|---|---|---|")
            for jobs, region in SETTINGS:
                said = f"DVC, {jobs} jobs, {f'region {region}' if region else 'no region'}"
                print(f"| {said} | {' | '.join(measure(project, store, jobs, region))} |", flush=True)
        finally:
            stop(minio)


if __name__ == "__main__":
    main()
