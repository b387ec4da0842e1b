"""Build the bento of the commit that is checked out: its service/, its serving lock and its model, nothing else.

python -m deploy.bento      prints the bento's tag, quire:<commit>-<sha256 of the model>, twelve digits each
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from git import Repo

from quire.command import BadInput
from quire.provenance.lock import LOCK, committed_file, content_hash, outputs, read_lock

PARTS = ("service", "requirements-serve.lock", "pyproject.toml")  # pyproject.toml says how the bento is built
MODEL = "model/model.onnx"


def bento(root: Path) -> str:
    """Build the bento and give its tag; one of that tag is kept, for the same commit and model make the same.

    Raises BadInput where the model is not the one that the commit's dvc.lock names, or where BentoML refuses.
    """
    repository = Repo(root)
    model = _model(root)
    tag = f"quire:{repository.head.commit.hexsha[:12]}-{hashlib.sha256(model.read_bytes()).hexdigest()[:12]}"
    left_out = repository.git.status("--porcelain", "--", *PARTS).splitlines()
    if left_out:
        print(f"bento: the bento is the commit's; without what is not committed: {', '.join(sorted(left_out))}", file=sys.stderr)
    if _bentoml("get", tag, "--output", "path").returncode:
        with tempfile.TemporaryDirectory() as folder:
            _export(repository, model, Path(folder))
            built = _bentoml("build", "--version", tag.partition(":")[2], cwd=folder)
        if built.returncode:
            raise BadInput(f"bentoml build: {built.stderr.strip()[-2000:]}")
    return tag


def _model(root: Path) -> Path:
    """The model's file, checked against the commit's dvc.lock."""
    text = committed_file(root, "HEAD", LOCK)
    if text is None:
        raise BadInput("the commit has no dvc.lock: make repro, then git add data/*.dvc && git commit --all")
    wanted = outputs(read_lock(text))[MODEL]
    path = root / MODEL
    if not path.is_file():
        raise BadInput(f"{MODEL}: no such file; dvc repro or dvc pull brings it")
    found = content_hash(path.read_bytes())
    if found != wanted:
        raise BadInput(f"{MODEL}: its md5 is {found}, the commit's dvc.lock says {wanted}: commit dvc.lock, or dvc checkout")
    return path


def _export(repository: Repo, model: Path, folder: Path) -> None:
    """Write the commit's files and the model. `git archive` writes the commit into service/engine.py."""
    archive = folder / "archive.tar"
    with archive.open("wb") as stream:
        repository.archive(stream, "HEAD", path=list(PARTS))
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    archive.unlink()
    (folder / MODEL).parent.mkdir()
    for path in (model, model.with_name("places.onnx")):  # the second explains answers, where `train` wrote one
        if path.is_file():
            shutil.copyfile(path, folder / "model" / path.name)


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
