"""Make a commit's results anew, from nothing but the commit, and hold them against its dvc.lock."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from git import Repo

from quire.command import BadInput
from quire.items.dvc import dvc
from quire.provenance.comparison import Comparison, compare
from quire.provenance.lock import promised, resolve


def prove(root: Path, revision: str) -> Comparison:
    """What a clean clone of a commit makes, in an environment of its own and with empty caches, against what it promises.

    Raises BadInput for an unknown commit, one that promises nothing, and one whose data or environment cannot be had.
    """
    commit, lock = resolve(root, revision), promised(root, revision)
    with _clone(root, commit) as clone:
        _fetch_data(clone)
        _run(clone, "make", "install")
        _run(clone, "dvc", "repro", "--force", "--no-run-cache")
        return compare(root, commit, lock, clone)


def compare_here(root: Path, revision: str) -> Comparison:
    """What lies in the working tree against what a commit promises. Raises BadInput as `prove` does."""
    return compare(root, resolve(root, revision), promised(root, revision), root)


@contextmanager
def _clone(root: Path, commit: str) -> Iterator[Path]:
    """A clean clone with a cache of its own, empty, and this repository's cache as a remote named `here`."""
    with tempfile.TemporaryDirectory(prefix="quire-proof-") as folder:
        clone = Path(folder, "quire")
        repository = Repo.clone_from(str(root), clone, no_checkout=True)
        repository.git.checkout("--quiet", "--detach", commit)
        local = root / ".dvc" / "config.local"
        if local.exists():
            shutil.copy(local, clone / ".dvc" / "config.local")
        dvc("cache", "dir", "--local", f"{folder}/cache", project=clone)
        dvc("remote", "add", "--local", "--force", "here", dvc("cache", "dir", project=root).stdout.strip(), project=clone)
        yield clone


def _fetch_data(clone: Path) -> None:
    """The tracked inputs: from this repository's cache, else from the remote, else drawn, if they are the demo's."""
    pointers = sorted(str(path.relative_to(clone)) for path in (clone / "data").glob("*.dvc"))
    for remote in (["--remote", "here"], []):
        done = dvc("pull", "--quiet", *remote, *pointers, project=clone)
        if done.returncode == 0:
            return
    drawn = subprocess.run([sys.executable, "-m", "quire", "demo"], cwd=clone, capture_output=True, text=True, check=False)
    if drawn.returncode:
        raise BadInput(f"the data of the commit cannot be had: {_last_line(done.stderr)}; {_last_line(drawn.stderr)}")


def _run(clone: Path, *command: str) -> None:
    # The run is recorded in the clone's own mlflow.db and goes with it. What was computed before helps no proof.
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "MLFLOW_TRACKING_URI"}}
    environment |= {"PATH": f"{clone}/.venv/bin{os.pathsep}{environment['PATH']}", "QUIRE_CACHE": f"{clone.parent}/computed"}
    print(f"prove: {' '.join(command).replace(str(clone), '.')}", flush=True)
    run_checked(command, clone, environment, " ".join(command))


def run_checked(words: Sequence[str], folder: Path, environment: Mapping[str, str], named: str) -> None:
    """Run a command in a folder. Raises BadInput, with the end of what it said, where it fails."""
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BadInput(f"{named}: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[-1]
