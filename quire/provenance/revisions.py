"""The results that the working tree and each commit hold, newest first, read from DVC's cache or its remote."""

import csv
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from git import Repo

from quire.provenance.lock import LOCK, committed_file, outputs, read_lock


@dataclass(frozen=True)
class Version:
    """One state of the results: the working tree's where `commit` is None. `hashes` are its outputs', by path."""

    root: Path
    commit: str | None
    hashes: dict[str, str]

    def read(self, path: str) -> bytes | None:
        """A file's content; None where this version has none, or it lies neither in the cache nor in the remote."""
        if self.commit is None:
            return (self.root / path).read_bytes() if (self.root / path).exists() else None
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "copy")
            return copy.read_bytes() if fetch(self.root, self.commit, path, copy) else None

    def rows(self, path: str) -> list[dict[str, str]] | None:
        """A CSV file's rows; None where it cannot be read, as `read` says."""
        content = self.read(path)
        return None if content is None else list(csv.DictReader(io.StringIO(content.decode())))


def fetch(root: Path, commit: str, path: str, target: Path) -> bool:
    """Copy a commit's file or folder to `target`; False where it lies neither in the cache nor in the remote nor in git."""
    try:
        DVCFileSystem(str(root), rev=commit).get(path, str(target), recursive=True)
    except (OSError, DvcException, BotoCoreError, ClientError):
        return False
    return True


def versions(root: Path) -> Iterator[Version]:
    """The working tree, then each commit of any branch that changed dvc.lock."""
    lock = root / LOCK
    if lock.exists():
        yield Version(root, None, outputs(read_lock(lock.read_text(encoding="utf-8"))))
    for commit in Repo(root).git.log("--all", "--format=%H", "--", LOCK).split():
        text = committed_file(root, commit, LOCK)
        if text:
            yield Version(root, commit, outputs(read_lock(text)))


def distinct(found: Iterator[Version], path: str) -> Iterator[Version]:
    """The first version of each content of a path."""
    seen = {""}
    for version in found:
        if version.hashes.get(path, "") not in seen:
            seen.add(version.hashes[path])
            yield version


def commits_of(root: Path, path: str, md5: str) -> list[str]:
    """The commits, oldest first, whose dvc.lock names this content of a path."""
    return [found.commit for found in versions(root) if found.commit and found.hashes.get(path) == md5][::-1]
