"""A MinIO on loopback with its data, generated credentials, log and process id in one folder."""

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deploy.minio.build import build
from deploy.store import Store, StoreError


def start(folder: Path, port: int, bucket: str) -> Store:
    """Run MinIO on loopback, or find it where it runs already, and make the bucket. Raises StoreError and GoError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _one_at_a_time(folder):
        store = credentials(folder) if running(folder) else _launched(folder, port, bucket)
        if bucket not in [each["Name"] for each in store.client().list_buckets()["Buckets"]]:
            store.client().create_bucket(Bucket=bucket)
    return Store(store.endpoint, bucket, store.key, store.secret)


def stop(folder: Path, seconds: float = 20) -> bool:
    """End the MinIO of `folder` by its process id, and wait until it is gone. False where none ran."""
    pid = running(folder)
    if not pid:
        return False
    os.kill(pid, signal.SIGTERM)
    limit = time.monotonic() + seconds
    while running(folder):
        if time.monotonic() > limit:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    (folder / "pid").unlink()
    return True


def running(folder: Path) -> int | None:
    """The process id of the MinIO of `folder`, where it runs."""
    with suppress(FileNotFoundError, ValueError):
        pid = int((folder / "pid").read_text())
        listed = subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False)
        if str(folder.resolve() / "data") in listed.stdout:  # the id may have gone to another process meanwhile
            return pid
    return None


def credentials(folder: Path) -> Store:
    """The endpoint and keys of the MinIO of `folder`, kept from run to run. Raises FileNotFoundError before the first."""
    lines = (folder / "env").read_text(encoding="utf-8").splitlines()
    kept = dict(line.split("=", 1) for line in lines)
    return Store(kept["AWS_ENDPOINT_URL"], kept["QUIRE_BUCKET"], kept["AWS_ACCESS_KEY_ID"], kept["AWS_SECRET_ACCESS_KEY"])


def _launched(folder: Path, port: int, bucket: str) -> Store:
    binary = build()
    try:
        keys = credentials(folder)
    except FileNotFoundError:
        keys = Store("", "", secrets.token_hex(8), secrets.token_urlsafe(30))
    store = Store(f"http://127.0.0.1:{port}", bucket, keys.key, keys.secret)
    _write(folder / "env", store.environment())
    if _taken(port):
        raise StoreError(f"port {port} is taken by another process; name a free one: MINIO_PORT=9100 quire store start")
    command = [str(binary), "server", str(folder.resolve() / "data"), "--address", f"127.0.0.1:{port}", "--quiet"]
    # The browser console would listen on every interface; with MINIO_UPDATE=off MinIO asks nobody for news.
    own = {"MINIO_ROOT_USER": store.key, "MINIO_ROOT_PASSWORD": store.secret, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
    # Through a shell, which ends at once: MinIO is nobody's child and outlives who started it.
    detached = ["sh", "-c", 'log=$1; shift; "$@" > "$log" 2>&1 < /dev/null & echo $!', "sh", str(folder / "log"), *command]
    started = subprocess.run(detached, env=os.environ | own, stdout=subprocess.PIPE, text=True, check=True, start_new_session=True)
    (folder / "pid").write_text(started.stdout, encoding="utf-8")
    _wait_until_ready(store, folder)
    return store


def _wait_until_ready(store: Store, folder: Path, seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not _serves(store):
        if not running(folder) or time.monotonic() > limit:
            stop(folder)
            said = " ".join((folder / "log").read_text(errors="replace").split())[-300:]
            raise StoreError(f"MinIO did not start: {said or 'no word in ' + str(folder / 'log')}")
        time.sleep(0.2)


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _serves(store: Store) -> bool:
    """Whether MinIO answers a signed request: its health page says ready a moment too early."""
    try:
        store.client().list_buckets()
    except ClientError as error:
        if error.response["Error"]["Code"] != "XMinioServerNotInitialized":
            raise
        return False
    except BotoCoreError:
        return False
    return True


def _write(path: Path, environment: dict[str, str]) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in environment.items()), encoding="utf-8")


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
