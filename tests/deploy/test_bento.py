import hashlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from git import Repo

from deploy.bento import included
from tests.conftest import ROOT, free_port
from tests.deploy.conftest import Project
from tests.service.conftest import command, environment, wait_until_ready
from tests.service.test_api import plain


def versions(lock: str) -> dict[str, set[str]]:
    """The versions that a lock names for each package; some have one for each Python."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[.*\])?==([^ ;\\]+)", (ROOT / lock).read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_what_serves_is_what_was_trained_and_tested_with() -> None:
    serving, whole = versions("requirements-serve.lock"), versions("requirements.lock")
    assert {"bentoml", "onnxruntime", "pillow"} <= set(serving)
    assert not {"torch", "mlflow", "dvc", "pymupdf", "pytest"} & set(serving)
    assert {name: whole.get(name) for name in serving} == serving


def path_of(project: Project, tag: str) -> Path:
    return project.home / "bentos" / Path(*tag.split(":"))


@pytest.mark.server
def test_a_bento_holds_the_commit_and_its_model_alone_and_says_both(project: Project) -> None:
    commit = project.commit()
    (project.root / "service" / "settings.py").write_text("not committed")
    done = project.module("deploy.bento")
    model = hashlib.sha256((project.root / "model" / "model.json").read_bytes()).hexdigest()
    assert done.stdout == f"quire:{commit[:12]}-{model[:12]}\n"
    assert "service/settings.py" in done.stderr
    sources = path_of(project, done.stdout.strip()) / "src"
    listed = Repo(project.root).git.ls_files(*included(Repo(project.root))).splitlines()
    expected = {Path(name) for name in [*listed, "bentofile.yaml"]} | {
        Path("model", part.name) for part in (project.root / "model").iterdir()
    }
    assert {path.relative_to(sources) for path in sources.rglob("*") if path.is_file()} == expected
    assert not re.search(r"^--", (sources.parent / "env/python/requirements.txt").read_text(), re.MULTILINE)
    modules = "import service.app, service.pdf"  # all that serving imports is in the bento
    subprocess.run([sys.executable, "-c", modules], cwd=sources, check=True, timeout=60)
    assert not {"stages", "training", "lifecycle", "annotations"} & {path.name for path in sources.rglob("*")}
    answer = answered(project, done.stdout.strip())
    assert answer["why"]["places"].startswith("data:image/png;base64,")
    assert (answer["prediction"], answer["model"]["commit"], answer["model"]["version"]) == ("cat", commit, model[:12])


def answered(project: Project, tag: str) -> Any:
    """The answer of the served bento for a red image: from a folder that is no repository."""
    port = free_port()
    surroundings = {name: value for name, value in environment(project.home).items() if name != "QUIRE_MODEL"}
    surroundings["BENTOML_HOME"] = str(project.home)
    with (project.home / "log").open("w") as log:
        serving = [*command(port)[:2], tag, *command(port)[2:]]
        process = subprocess.Popen(serving, cwd=project.home, env=surroundings, stdout=log, stderr=log, text=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until_ready(client, process)
            return client.post("/v1/classify?explain=true", content=plain("red")).json()
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


def test_a_bento_that_is_there_is_kept(project: Project) -> None:
    first, second = project.module("deploy.bento"), project.module("deploy.bento")
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout
    assert len(list((project.home / "bentos" / "quire").glob("*-*"))) == 1


def test_a_model_that_is_not_the_commits_is_refused(project: Project) -> None:
    (project.root / "model" / "answer_image.onnx").write_bytes(b"another")
    done = project.module("deploy.bento")
    assert done.returncode == 1
    assert re.fullmatch(r"bento: error: model: is not what the commit's dvc.lock names: .*\n", done.stderr)


def test_a_missing_model_and_a_commit_without_one_are_refused(project: Project) -> None:
    (project.root / "model" / "model.json").unlink()
    assert "bento: error: model: is not what the commit's dvc.lock names" in project.module("deploy.bento").stderr
    (project.root / "dvc.lock").unlink()
    project.commit()
    assert "bento: error: HEAD: the commit has no dvc.lock" in project.module("deploy.bento").stderr
