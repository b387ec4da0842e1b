"""Push and pull of many small images against MinIO, by DVC with different jobs and by boto3 alone.

python -m benchmarks.store [--images 10000] [--jobs 8 16 32]
"""

import argparse
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.serving import free_port
from deploy.minio.server import start, stop
from deploy.store import REMOTE, Store, tell_dvc

BYTES = 20_000  # an image's
THREADS = 16  # boto3's


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def dvc(project: Path, *arguments: str) -> None:
    """Run DVC, with what it remembers of remotes kept in the project."""
    environment = os.environ | {"DVC_SITE_CACHE_DIR": str(project / ".dvc" / "site")}
    subprocess.run(["dvc", *arguments], cwd=project, env=environment, check=True, capture_output=True)


def write_images(folder: Path, count: int) -> None:
    """Write files as large, and as hard to compress, as JPEGs are."""
    folder.mkdir()
    random = np.random.default_rng(20)
    for index in range(count):
        (folder / f"{index:05}.jpg").write_bytes(random.bytes(BYTES))


def forget(project: Path, *, images: bool) -> None:
    """Lose what DVC remembers of the remote and, for a pull, cache and images."""
    for place in (".dvc/tmp", ".dvc/site", *((".dvc/cache", "images") if images else ())):
        shutil.rmtree(project / place, ignore_errors=True)


def by_dvc(project: Path, store: Store, jobs: int) -> list[float]:
    """Seconds of the push, of one more with nothing to do, and of the pull into an empty clone."""
    subprocess.run(["dvc", "remote", "modify", "--local", REMOTE, "url", f"s3://{store.bucket}/{jobs}"], cwd=project, check=True)
    forget(project, images=False)
    push = seconds(partial(dvc, project, "push", "--jobs", str(jobs)))
    again = seconds(partial(dvc, project, "push", "--jobs", str(jobs)))
    forget(project, images=True)
    return [push, again, seconds(partial(dvc, project, "pull", "--jobs", str(jobs)))]


def by_boto3(project: Path, store: Store) -> list[float]:
    """Seconds that the same files take without DVC, there and back."""
    client, files = store.client(max_pool_connections=THREADS), sorted((project / "images").iterdir())

    def put(file: Path) -> None:
        client.put_object(Bucket=store.bucket, Key=f"boto3/{file.name}", Body=file.read_bytes())

    def get(file: Path) -> None:
        file.write_bytes(client.get_object(Bucket=store.bucket, Key=f"boto3/{file.name}")["Body"].read())

    with ThreadPoolExecutor(THREADS) as pool:
        return [seconds(lambda work=work: list(pool.map(work, files))) for work in (put, get)]  # type: ignore[misc]


def as_tar(project: Path, store: Store) -> list[float]:
    """Seconds that the same bytes take as one file, there and back, packing included."""
    client, packed = store.client(), project / "images.tar"

    def put() -> None:
        with tarfile.open(packed, "w") as tar:
            tar.add(project / "images", "images")
        client.upload_file(str(packed), store.bucket, "tar")

    def get() -> None:
        client.download_file(store.bucket, "tar", str(packed))
        with tarfile.open(packed) as tar:
            tar.extractall(project / "unpacked", filter="data")

    return [seconds(put), seconds(get)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, nargs="+", default=[4, 8, 16, 32])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project, minio = Path(folder, "project"), Path(folder, "minio")
        write_images(Path(folder, "images"), given.images)
        store = start(minio, free_port(), "benchmark")
        try:
            subprocess.run(["git", "init", "--quiet", str(project)], check=True)
            shutil.move(Path(folder, "images"), project)
            dvc(project, "init", "--quiet")
            dvc(project, "remote", "add", "--default", REMOTE, "s3://benchmark")
            tell_dvc(project, store)
            added = seconds(partial(dvc, project, "add", "images"))
            print(f"{os.cpu_count()} cores, {given.images} images of {BYTES / 1000:.0f} KB; dvc add {added:.1f} s\n")
            print("| | push, s | nothing to push, s | pull, s |\n|---|---|---|---|")
            for jobs in given.jobs:
                push, again, pull = by_dvc(project, store, jobs)
                print(f"| DVC, {jobs} jobs | {push:.1f} | {again:.1f} | {pull:.1f} |", flush=True)
            print("| boto3, {} threads | {:.1f} | | {:.1f} |".format(THREADS, *by_boto3(project, store)), flush=True)
            print("| one tar | {:.1f} | | {:.1f} |".format(*as_tar(project, store)), flush=True)
        finally:
            stop(minio)


if __name__ == "__main__":
    main()
