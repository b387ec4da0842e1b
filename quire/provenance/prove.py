"""Make a commit's results anew, from nothing but the commit, and hold them against its dvc.lock.

python -m quire.provenance.prove [COMMIT]      or: make prove COMMIT=…
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from git import Repo

from quire.command import BadInput
from quire.provenance.difference import Place, first_difference
from quire.provenance.lock import (
    LOCK,
    MACHINE,
    Difference,
    Lock,
    committed_file,
    differences,
    machine_differences,
    read_lock,
    resolve,
)
from quire.provenance.revisions import fetch

# How far figures may lie apart on two machines and still be the same result. Stages that sum floating point numbers have
# one; those of the data have none.
TOLERANCE = {"train": 1e-3, "evaluate": 1e-3}


@dataclass(frozen=True)
class Verdict:
    """What a stage's outputs turned out to be."""

    stage: str
    outputs: int
    different: list[tuple[str, Place | None]]  # a path, and where in it if both contents can be read


def prove(root: Path, revision: str) -> tuple[str, bool]:
    """The report on a commit, and whether every output is the committed one to the byte.

    Raises BadInput for an unknown commit, one without dvc.lock, and one whose data or environment cannot be had.
    """
    commit = resolve(root, revision)
    text = committed_file(root, commit, LOCK)
    if text is None:
        raise BadInput(f"{revision}: the commit has no {LOCK}, so it promises no result: `make repro`, then commit {LOCK}")
    promised = read_lock(text)
    with _clone(root, commit) as clone:
        _fetch_data(clone)
        _run(clone, "make", "install")
        _run(clone, "dvc", "repro", "--force", "--no-run-cache")
        made = read_lock((clone / LOCK).read_text(encoding="utf-8"))
        found = differences(promised, made)
        verdicts = [_verdict(stage, promised, found, root, commit, clone) for stage in promised]
        machine = machine_differences(committed_file(root, commit, MACHINE), _text(clone / MACHINE))
    return report(commit, found, verdicts, machine), not found


def report(commit: str, found: list[Difference], verdicts: list[Verdict], machine: list[str]) -> str:
    """The proof in lines: the stages in their order, the first difference, the machine."""
    lines = [f"proof of {commit}"]
    for verdict in verdicts:
        state = "identical" if not verdict.different else f"{len(verdict.different)} of {verdict.outputs} DIFFERENT"
        lines.append(f"  {verdict.stage:14} {verdict.outputs} outputs {state}")
    lines += [f"  {difference.stage}: the {difference.kind} {difference.name} is not what {LOCK} says" for difference in found
              if difference.kind != "output"]  # fmt: skip
    lines += [_sentence(verdict, path, place) for verdict in verdicts for path, place in verdict.different][:1]
    lines += [f"  beyond bytes: {line}" for line in _tolerated(verdicts)]
    lines += [f"  machine: {line}" for line in machine] or ["  machine: of the same kind as the committed run's"]
    return "\n".join([*lines, "identical to the committed results" if not found else "NOT identical to the committed results"])


def _sentence(verdict: Verdict, path: str, place: Place | None) -> str:
    where = place.where if place else "where in it is not known: the committed bytes are neither in the cache nor in the remote"
    return f"  first difference: stage {verdict.stage}, {path}, {where}"


def _tolerated(verdicts: list[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        tolerance = TOLERANCE.get(verdict.stage)
        for path, place in verdict.different:
            if place and tolerance and place.gap <= tolerance:
                reason = "its sums of floating point numbers depend on instruction set, threads and libraries"
                yield f"{path} is equal within {tolerance:g} (largest difference {place.gap:.1e}): {reason}"


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
        _dvc(clone, "cache", "dir", "--local", f"{folder}/cache")
        _dvc(clone, "remote", "add", "--local", "--force", "here", _cache(root))
        yield clone


def _cache(root: Path) -> str:
    return _dvc(root, "cache", "dir").stdout.strip()


def _fetch_data(clone: Path) -> None:
    """The tracked inputs: from this repository's cache, else from the remote, else drawn, if they are the demo's."""
    pointers = sorted(str(path.relative_to(clone)) for path in (clone / "data").glob("*.dvc"))
    for remote in (["--remote", "here"], []):
        done = _dvc(clone, "pull", "--quiet", *remote, *pointers)
        if done.returncode == 0:
            return
    drawn = subprocess.run([sys.executable, "-m", "quire.demo.demo"], cwd=clone, capture_output=True, text=True, check=False)
    if drawn.returncode:
        raise BadInput(f"the data of the commit cannot be had: {_last_line(done.stderr)}; {_last_line(drawn.stderr)}")


def _verdict(stage: str, promised: Lock, found: list[Difference], root: Path, commit: str, clone: Path) -> Verdict:
    paths = [difference.name for difference in found if difference.stage == stage and difference.kind == "output"]
    places = [(path, place_of(root, commit, clone, path)) for path in paths]
    return Verdict(stage, len(promised[stage]["outs"]), places)


def place_of(root: Path, commit: str, clone: Path, path: str) -> Place | None:
    """Where the new file differs from the committed one, which lies in the cache, the remote or git."""
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder, Path(path).name)
        return first_difference(before, clone / path) if fetch(root, commit, path, before) else None


def _run(clone: Path, *command: str) -> None:
    # The run is recorded in the clone's own mlflow.db and goes with it.
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "MLFLOW_TRACKING_URI"}}
    environment["PATH"] = f"{clone}/.venv/bin{os.pathsep}{environment['PATH']}"
    print(f"prove: {' '.join(command).replace(str(clone), '.')}", flush=True)
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BadInput(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[-1]


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", nargs="?", default="HEAD")
    try:
        text, identical = prove(Path.cwd(), parser.parse_args().commit)
    except (BadInput, OSError) as error:
        sys.exit(f"prove: error: {error}")
    print(text)
    sys.exit(0 if identical else 1)


if __name__ == "__main__":
    main()
