"""DVC's command: what came in is tracked, and git gets the pointers."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from quire.command import BadInput


def dvc(*arguments: str, project: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run DVC in a project, by default the one at hand; `returncode`, `stdout` and `stderr` say how it went."""
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)  # noqa: S603


def track(folders: Iterable[Path]) -> None:
    """Let DVC track folders as they are now. Raises BadInput with DVC's own words."""
    names = [str(folder) for folder in folders]
    done = dvc("add", "--quiet", *names)
    if done.returncode:
        raise BadInput(f"dvc add {' '.join(names)}: {done.stderr.strip()}")


def content_hash(content: bytes) -> str:
    """The hash by which DVC names a file's content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def folder_hash(hashes: Mapping[str, str]) -> str:
    """The hash by which DVC names a folder of files with these, by path: that of their JSON list, in the order of the paths."""
    listed = json.dumps([{"md5": hashes[path], "relpath": path} for path in sorted(hashes)])
    return f"{content_hash(listed.encode())}.dir"
