"""Build the bento of the commit that is checked out: what serving needs of its code, its serving lock, its model.

python -m deploy.bento      prints the bento's tag, quire:<commit>-<sha256 of the model>, twelve digits each
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

from git import Repo

from quire.command import BadInput
from quire.model.manifest import read_manifest
from quire.provenance.lock import LOCK, model_parts, promised, strays

PROJECT, SERVING, MODEL = "pyproject.toml", "requirements-serve.lock", "model"


def bento(root: Path) -> str:
    """Build the bento and give its tag; one of that tag is kept, for the same commit and model make the same.

    Raises BadInput where the model is not the one that the commit's dvc.lock names, or where BentoML refuses.
    """
    repository, lock = Repo(root), promised(root, "HEAD")
    for path in strays(root, lock, model_parts(lock)):
        raise BadInput(f"{path}: is not what the commit's {LOCK} names: commit {LOCK}, or dvc checkout, or dvc pull")
    version = read_manifest(root / MODEL)[1]
    parts = sorted(path for path in (root / MODEL).iterdir() if path.is_file())
    tag = f"quire:{repository.head.commit.hexsha[:12]}-{version[:12]}"
    code = [*included(repository), SERVING, PROJECT]
    left_out = repository.git.status("--porcelain", "--", *code).splitlines()
    if left_out:
        print(f"bento: the bento is the commit's; without what is not committed: {', '.join(sorted(left_out))}", file=sys.stderr)
    if _bentoml("get", tag, "--output", "path").returncode:
        with tempfile.TemporaryDirectory() as folder:
            _export(repository, code, parts, Path(folder))
            built = _bentoml("build", "--version", tag.partition(":")[2], cwd=folder)
        if built.returncode:
            raise BadInput(f"bentoml build: {built.stderr.strip()[-2000:]}")
    return tag


def included(repository: Repo) -> list[str]:
    """The commit's files and folders that its pyproject.toml tells BentoML to take; the model is none of them, but DVC's."""
    build = tomllib.loads(repository.git.show(f"HEAD:{PROJECT}"))["tool"]["bentoml"]["build"]
    return [path for path in (pattern.strip("/") for pattern in build["include"]) if path != MODEL]


def _export(repository: Repo, code: list[str], model: list[Path], folder: Path) -> None:
    """Write the commit's files and the model. `git archive` writes the commit into service/commit.py."""
    archive = folder / "archive.tar"
    with archive.open("wb") as stream:
        repository.archive(stream, "HEAD", path=code)
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    archive.unlink()
    (folder / MODEL).mkdir()
    for path in model:
        shutil.copyfile(path, folder / MODEL / path.name)


def _bentoml(*arguments: str, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bentoml", *arguments]
    quiet = os.environ | {"BENTOML_DO_NOT_TRACK": "True"}
    return subprocess.run(command, cwd=cwd, env=quiet, capture_output=True, text=True, check=False, timeout=300)


def main() -> None:
    """Build, and say what was built."""
    try:
        print(bento(Path.cwd()))
    except BadInput as error:
        sys.exit(f"bento: error: {error}")


if __name__ == "__main__":
    main()
