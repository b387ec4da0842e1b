"""Push and pull of many small images against MinIO: by DVC with different settings, by boto3 alone, as one file.

python -m benchmarks.store [--images 10000]
"""

import argparse
import os
import resource
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.serving import free_port
from deploy.minio.server import start, stop
from deploy.store import REMOTE, Store, tell_dvc

BYTES = 20_000  # an image's
THREADS = 16  # boto3's
SETTINGS = ((8, ""), (8, "us-east-1"), (32, ""), (32, "us-east-1"))  # jobs; region, without which s3fs looks for each bucket's


class Cost(NamedTuple):
    """Seconds by the clock, and of the processor in this process and those that it waited for: MinIO is none of them."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.1f} ({self.processor:.1f})"


def cost(work: Callable[[], object]) -> Cost:
    """What it takes."""
    begin, used = time.perf_counter(), _processor()
    work()
    return Cost(time.perf_counter() - begin, _processor() - used)


def _processor() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


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


def by_dvc(project: Path, store: Store, jobs: int, region: str) -> list[Cost]:
    """Cost of the push, of one more with nothing to do, and of the pull into an empty clone."""
    tell_dvc(project, store)
    dvc(project, "remote", "modify", "--local", REMOTE, "url", f"s3://{store.bucket}/{jobs}{region}")
    if region:
        dvc(project, "remote", "modify", "--local", REMOTE, "region", region)
    forget(project, images=False)
    push = cost(partial(dvc, project, "push", "--jobs", str(jobs)))
    again = cost(partial(dvc, project, "push", "--jobs", str(jobs)))
    forget(project, images=True)
    return [push, again, cost(partial(dvc, project, "pull", "--jobs", str(jobs)))]


def by_boto3(project: Path, store: Store) -> list[Cost]:
    """What the same files cost without DVC, there and back."""
    client, files = store.client(max_pool_connections=THREADS), sorted((project / "images").iterdir())

    def put(file: Path) -> None:
        client.put_object(Bucket=store.bucket, Key=f"boto3/{file.name}", Body=file.read_bytes())

    def get(file: Path) -> None:
        file.write_bytes(client.get_object(Bucket=store.bucket, Key=f"boto3/{file.name}")["Body"].read())

    with ThreadPoolExecutor(THREADS) as pool:
        return [cost(lambda: list(pool.map(put, files))), cost(lambda: list(pool.map(get, files)))]


def as_tar(project: Path, store: Store) -> list[Cost]:
    """What the same bytes cost as one file, there and back, packing included."""
    client, packed = store.client(), project / "images.tar"

    def put() -> None:
        with tarfile.open(packed, "w") as tar:
            tar.add(project / "images", "images")
        client.upload_file(str(packed), store.bucket, "tar")

    def get() -> None:
        client.download_file(store.bucket, "tar", str(packed))
        with tarfile.open(packed) as tar:
            tar.extractall(project / "unpacked", filter="data")

    return [cost(put), cost(get)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
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
            added = cost(partial(dvc, project, "add", "images"))
            print(f"{os.cpu_count()} cores, {given.images} images of {BYTES / 1000:.0f} KB; dvc add {added}\n")
            print("| seconds (of processor) | push | nothing to push | pull |\n|---|---|---|---|")
            for jobs, region in SETTINGS:
                push, again, pull = by_dvc(project, store, jobs, region)
                said = f"DVC, {jobs} jobs, {f'region {region}' if region else 'no region'}"
                print(f"| {said} | {push} | {again} | {pull} |", flush=True)
            print("| boto3, {} threads | {} | | {} |".format(THREADS, *by_boto3(project, store)), flush=True)
            print("| one tar | {} | | {} |".format(*as_tar(project, store)), flush=True)
        finally:
            stop(minio)


if __name__ == "__main__":
    main()
