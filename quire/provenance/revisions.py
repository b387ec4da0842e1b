"""The results that the working tree and each commit hold, newest first, read from DVC's cache or its remote."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc_data.index import DataIndexDirError
from git import Repo

from quire.items.tables import read_table
from quire.provenance.lock import LOCK, committed_file, is_earlier_layout, outputs, read_lock

OUT_OF_REACH = (OSError, DvcException, DataIndexDirError, BotoCoreError, ClientError)
Row = TypeVar("Row")


@dataclass(frozen=True)
class Version:
    """One state of the results: the working tree's where `commit` is None. `hashes` are its outputs', by path."""

    root: Path
    commit: str | None
    hashes: dict[str, str]

    def read(self, path: str) -> bytes | None:
        """A file's content; None where this version has none, or it lies neither in the cache nor in the remote."""
        try:
            return bytes(file_system(self.root, self.commit).read_bytes(path)) if self.commit else (self.root / path).read_bytes()
        except OUT_OF_REACH:
            return None

    def rows(self, path: str, row_type: type[Row]) -> list[Row] | None:
        """A table's rows; None where it cannot be had, as `read` says. Raises BadInput where it is no such table."""
        if self.commit is None:
            return read_table(self.root / path, row_type) if (self.root / path).is_file() else None
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, Path(path).name)
            return read_table(copy, row_type) if fetch(self.root, self.commit, path, copy) else None


@lru_cache(maxsize=4)
def file_system(root: Path, commit: str) -> DVCFileSystem:
    """A commit's files. It is opened once: that reads every pointer of the commit, which a thousand images need not repeat."""
    return DVCFileSystem(str(root), rev=commit)


def fetch(root: Path, commit: str, path: str, target: Path) -> bool:
    """Copy a commit's file or folder to `target`; False where it lies neither in the cache nor in the remote nor in git."""
    try:
        file_system(root, commit).get(path, str(target), recursive=True)
    except OUT_OF_REACH:
        return False
    return True


def versions(root: Path) -> Iterator[Version]:
    """The working tree, then each commit of any branch that changed dvc.lock; without those of an earlier layout."""
    file = root / LOCK
    locks: list[tuple[str | None, str | None]] = [(None, file.read_text(encoding="utf-8") if file.exists() else None)]
    commits = Repo(root).git.log("--all", "--format=%H", "--", LOCK).split()
    for commit, text in chain(locks, ((commit, committed_file(root, commit, LOCK)) for commit in commits)):
        if text and not is_earlier_layout(lock := read_lock(text)):
            yield Version(root, commit, outputs(lock))


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
