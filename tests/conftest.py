"""Fixtures: small images and PDFs, the real data where they are present, and a project of one's own to run in."""

import io
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest
from git import Repo
from onnx import numpy_helper
from PIL import Image

from quire.model.manifest import ANSWER, FILE, Manifest, hash_part, write_manifest

ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("QUIRE_REAL_DATA", ROOT.parent / "shared" / "data"))

Encode = Callable[..., bytes]


@pytest.fixture
def make_image() -> Encode:
    """Make an encoded image of smooth random colours, the same for the same seed."""

    def make(
        encoding: str = "JPEG", *, mode: str = "RGB", size: tuple[int, int] = (48, 32), seed: int = 0, **options: object
    ) -> bytes:
        random = Random(seed)
        coarse = np.array([[random.randrange(256) for _ in range(3)] for _ in range(12)], np.uint8).reshape(3, 4, 3)
        image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)
        buffer = io.BytesIO()
        image.save(buffer, encoding, **options)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def real_pdfs() -> Path:
    """The 30 real PDFs; they never enter the repository."""
    return _real("cats_dogs_other/pdfs")


@pytest.fixture(scope="session")
def real_export() -> Path:
    """The real Ecotag export."""
    return _real("cats_dogs_other/cats_dogs_others-annotations.json")


@pytest.fixture(scope="session")
def unfamiliar() -> Path:
    """Images of kinds that the real set lacks, with `pictures.csv`."""
    return _real("unfamiliar")


@pytest.fixture(scope="session")
def extraction_cases() -> Path:
    """Three PDFs that hold four images."""
    return _real("extraction_cases")


def _real(name: str) -> Path:
    if not (REAL / name).exists():
        pytest.skip(f"the real data are not here: {REAL / name} (QUIRE_REAL_DATA names their folder)")
    return REAL / name


def extracted_into(folder: Path) -> list[Path]:
    """What `extract` writes, in the order of its parameters."""
    return [folder / name for name in ("images", "texts.csv", "table_labels.csv", "items.csv")]


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Clone the working tree as it is, uncommitted changes included, into a folder with a commit of its own."""

    def make() -> Path:
        project = tmp_path_factory.mktemp("project")
        listed = _git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
        for name in filter(None, listed):
            if (ROOT / name).is_file():
                (project / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, project / name)
        _git(project, "init", "--quiet")
        _git(project, "add", "--all")
        _git(project, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "-m", "start")
        return project

    return make


def run(project: Path, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment in a project, every connection to another machine noted."""
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    spy = {"PYTHONPATH": str(ROOT / "tests" / "no_network"), "QUIRE_CONNECTIONS": str(project / ".git" / "connections")}
    spy |= {"QUIRE_OPENED": str(project / ".git" / "opened")}
    author = {f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    surroundings = os.environ | {"PATH": binaries} | spy | author | environment
    done = subprocess.run(command, cwd=project, env=surroundings, capture_output=True, text=True, check=False, timeout=900)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def demo(make_project: Callable[[], Path]) -> Path:
    """A project in which the demo ran once and was committed."""
    project = make_project()
    run(project, sys.executable, "-m", "quire", "demo")
    run(project, "dvc", "repro")
    connections = project / ".git" / "connections"
    (project / ".git" / "connections-of-the-first-run").write_text(connections.read_text() if connections.exists() else "")
    commit(project, "the demo's results")
    Repo(project).create_tag("results")
    return project


@pytest.fixture(scope="session")
def real(make_project: Callable[[], Path], real_pdfs: Path, real_export: Path) -> Path:
    """A project in which the real set was brought in and ran once."""
    project = make_project()
    run(project, sys.executable, "-m", "quire", "add", str(real_pdfs), "--annotations", str(real_export))
    run(project, "dvc", "repro")
    return project


def commit(project: Path, message: str) -> None:
    repository = Repo(project)
    repository.git.add(all=True)
    repository.git(c=["user.name=test", "user.email=test@localhost"]).commit("--quiet", "--allow-empty", "-m", message)


def move_bias(project: Path, by: float) -> None:
    """Change one weight of the model, so that it says class 1 more often, and let dvc.lock say that `train` gives this."""
    path = project / "model" / ANSWER
    model = onnx.load(path)
    (bias,) = (tensor for tensor in model.graph.initializer if tensor.name.endswith("linear.bias"))
    moved = numpy_helper.to_array(bias).copy()
    moved[1] += by
    bias.CopyFrom(numpy_helper.from_array(moved, bias.name))
    path.unlink()
    onnx.save(model, path)
    manifest = Manifest.model_validate_json((project / "model" / FILE).read_text())
    (project / "model" / FILE).unlink()
    write_manifest(project / "model", manifest.model_copy(update={"parts": manifest.parts | {ANSWER: hash_part(path)}}))
    run(project, "dvc", "commit", "--force", "train")


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
