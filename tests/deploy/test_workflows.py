"""The workflows of .github: as GitHub reads them, and by the targets and commands that people call."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in YAML(typ="safe").load(path)["jobs"].values() for step in job["steps"]]


def test_they_are_there() -> None:
    assert {path.stem for path in WORKFLOWS} == {"check", "reproduce", "release", "report"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_target_and_command_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = " ".join(step.get("run", "") for step in steps(path))
    named = re.findall(r"\bmake (?:--\S+ )*([a-z-]+)", said)
    assert named
    assert set(named) <= targets
    for words in re.findall(r"quire ((?:[a-z]+ )*[a-z]+)", said):
        subprocess.run([sys.executable, "-m", "quire", *words.split(), "--help"], cwd=ROOT, capture_output=True, check=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_permissions_named(path: Path) -> None:
    workflow = YAML(typ="safe").load(path)
    assert workflow["permissions"]["contents"] == "read"
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    lines = re.findall(r"uses: *(.*)", path.read_text())
    assert lines
    for line in lines:  # a tag may move; the comment says which it was
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v?\d+\.\d+\.\d+", line), line


@pytest.mark.skipif(not shutil.which("actionlint") and not shutil.which("go"), reason="neither actionlint nor Go is here")
def test_actionlint_finds_nothing() -> None:
    command = ["actionlint"] if shutil.which("actionlint") else ["go", "run", ACTIONLINT]
    done = subprocess.run([*command, *map(str, WORKFLOWS)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_step_that_fails_before_a_pipe_fails(path: Path) -> None:
    """GitHub's own shell is Bash without pipefail, unless Bash is asked for by name."""
    if any(" | " in step.get("run", "") for step in steps(path)):
        assert YAML(typ="safe").load(path)["defaults"]["run"]["shell"] == "bash"
