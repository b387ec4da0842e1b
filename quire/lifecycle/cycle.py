"""One round of a project's life: pull, add, repro, gate, promote, push. In a clone of its own, and what is refused leaves no trace.

Each step is the command that a person would give. The clone is made of `origin`, shares this repository's DVC cache, and is
gone afterwards; MLflow is the one of this repository.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from git import GitCommandError, Repo

from quire.command import BadInput
from quire.evaluation.gate import verdict
from quire.items.dvc import dvc
from quire.lifecycle.promotions import HISTORY
from quire.provenance.prove import run_checked
from quire.provenance.results import GATE
from quire.tracking import tracking_uri

LOCK = "quire-cycle.lock"
QUIRE = (sys.executable, "-m", "quire")


class Busy(BadInput):
    """Another round is at work in this repository."""


class Refused(Exception):
    """What came in made no model that may be served; the message says why."""


@dataclass
class Round:
    """The clone, and what commands see of the environment in it."""

    clone: Path
    branch: str
    environment: Mapping[str, str] = field(repr=False)

    def run(self, *words: str) -> None:
        """Raises BadInput where the command fails."""
        said = " ".join(words).removeprefix(f"{sys.executable} -m ")
        print(f"cycle: {said}", flush=True)
        run_checked(words, self.clone, self.environment, said)

    def pull(self) -> None:
        """The data and results of the branch."""
        self.run(*QUIRE, "store", "pull")

    def add(self, source: Path | None, annotations: Path | None, tool: str | None) -> bool:
        """Bring in the batch, and labels from a tool; whether anything is new."""
        given = [str(source.resolve())] if source else []
        given += ["--annotations", str(annotations.resolve())] if annotations else []
        if given:
            self.run(*QUIRE, "add", *given)
        if tool:
            self.run(*QUIRE, "labels", "pull", "--tool", tool)
        return Repo(self.clone).is_dirty(untracked_files=True)

    def repro(self) -> None:
        """The five stages, as far as something changed."""
        self.run("dvc", "repro")

    def gate(self) -> None:
        """Raises Refused where the model is not good enough."""
        gate = json.loads((self.clone / GATE).read_text(encoding="utf-8"))
        if not gate["passed"]:
            raise Refused(f"the gate is {verdict(gate)}")

    def promote(self) -> str:
        """Commit, and make the model the champion; what was said. Raises Refused where the paired test finds it worse."""
        self.commit("cycle: another batch")
        print("cycle: quire promote", flush=True)
        done = subprocess.run(  # noqa: S603 - our own words
            [*QUIRE, "promote"], cwd=self.clone, env=self.environment, capture_output=True, text=True, check=False
        )
        said = (done.stdout.strip().splitlines() or [""])[-1].removeprefix("promote: ")
        if done.returncode and said.startswith("refused"):
            raise Refused(said.removeprefix("refused, ").partition(". The history")[0])
        if done.returncode:
            raise BadInput(f"quire promote: {done.stderr.strip()[-2000:]}")
        self.commit(f"promote: {said.partition(':')[0]}", HISTORY)
        return said.partition(". The history")[0]

    def push(self) -> None:
        """Data, then git. Where either fails, the champion before is the champion again, and BadInput is raised."""
        try:
            self.run(*QUIRE, "store", "push")
            self.run("git", "push", "--quiet", "origin", f"HEAD:{self.branch}")
        except BadInput as error:
            try:
                self.run(*QUIRE, "rollback")
            except BadInput as worse:  # as of a first champion, before which there is none
                raise BadInput(f"{error}; the model that was not pushed stays champion: {worse}") from error
            raise

    def commit(self, message: str, *paths: str) -> None:
        """Commit what changed, of these paths or of all; no commit where nothing did."""
        self.run("git", "add", *(path for path in paths if (self.clone / path).exists()), *([] if paths else ["--all"]))
        if Repo(self.clone).index.diff("HEAD"):
            self.run("git", "commit", "--quiet", "--message", message)


def cycle(root: Path, source: Path | None, annotations: Path | None, tool: str | None) -> str:
    """Run the round; what came of it. Raises Busy, Refused, and BadInput with the end of what a step said that failed."""
    if not (source or annotations or tool):
        raise BadInput("name what may bring something new: a folder, --annotations or --tool")
    if source and not annotations and not tool and not _has_files(source):
        return f"nothing new: {source} is empty"
    with _alone(root), _clone(root) as work:
        work.pull()
        if not work.add(source, annotations, tool):
            return "nothing new"
        work.repro()
        work.gate()
        said = work.promote()
        work.push()
        return said


def _has_files(source: Path) -> bool:
    return source.is_file() or any(path.is_file() and not path.name.startswith(".") for path in source.rglob("*"))


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """The system lets go of the lock when this process ends, however it does."""
    with Path(Repo(root).common_dir, LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"another round is at work in {root.resolve().name}") from error
        yield


@contextmanager
def _clone(root: Path) -> Iterator[Round]:
    repository = Repo(root)
    if "origin" not in [remote.name for remote in repository.remotes]:
        raise BadInput("git has no remote `origin` to clone and push to: git remote add origin <address>")
    if repository.head.is_detached:
        raise BadInput("no branch is checked out here: git switch <branch>")
    branch, url = repository.active_branch.name, next(iter(repository.remotes.origin.urls))
    with tempfile.TemporaryDirectory(prefix="quire-cycle-") as folder:
        clone = Path(folder, "quire")
        try:
            Repo.clone_from(url, clone, branch=branch)
        except GitCommandError as error:
            raise BadInput(f"{branch} of origin cannot be cloned: {str(error.stderr).strip()[-500:]}") from error
        local = root / ".dvc" / "config.local"
        if local.exists():
            shutil.copy(local, clone / ".dvc" / "config.local")
        cache = dvc("cache", "dir", project=root).stdout.strip()
        dvc("cache", "dir", "--local", str((root / cache).resolve()), project=clone)
        yield Round(clone, branch, _environment(root, repository))


def _environment(root: Path, repository: Repo) -> dict[str, str]:
    """Cron's is bare: who commits is said where git does not know it."""
    own = dict(os.environ) | {"MLFLOW_TRACKING_URI": tracking_uri(root)}
    if not repository.config_reader().has_option("user", "email"):
        for who in ("AUTHOR", "COMMITTER"):
            own = {f"GIT_{who}_NAME": "quire cycle", f"GIT_{who}_EMAIL": "quire@localhost"} | own
    return own
