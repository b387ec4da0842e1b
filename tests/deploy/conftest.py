"""A project whose commit names a small model of known answers."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.service.test_predictor import METADATA, write_model


@dataclass
class Project:
    """A repository of its own and a BentoML store of its own."""

    root: Path
    home: Path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        surroundings = os.environ | {"BENTOML_HOME": str(self.home)} | environment
        return subprocess.run(arguments, cwd=self.root, env=surroundings, capture_output=True, text=True, check=False, timeout=600)

    def module(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", name, *arguments)

    def commit(self) -> str:
        for command in (("add", "--all"), ("commit", "--quiet", "--allow-empty", "-m", "test")):
            done = self.run("git", "-c", "user.name=test", "-c", "user.email=test@localhost", *command)
            assert done.returncode == 0, done.stderr
        return self.run("git", "rev-parse", "HEAD").stdout.strip()


def write_lock(root: Path) -> None:
    """The part of a dvc.lock that says which model is the commit's."""
    md5 = hashlib.md5((root / "model" / "model.onnx").read_bytes()).hexdigest()
    lock = {"schema": "2.0", "stages": {"train": {"outs": [{"path": "model/model.onnx", "hash": "md5", "md5": md5}]}}}
    (root / "dvc.lock").write_text(json.dumps(lock))


@pytest.fixture
def project(make_project: Callable[[], Path], tmp_path: Path) -> Project:
    """A project with a committed dvc.lock that names the small model in it."""
    root = make_project()
    (root / "model").mkdir()
    write_model(root / "model" / "model.onnx", METADATA)
    write_lock(root)
    made = Project(root, tmp_path)
    made.commit()
    return made
