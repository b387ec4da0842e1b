"""The design's arrows as `make check` holds them: a room that imports what it may not is named."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.conftest import ROOT

LINT = str(Path(sys.executable).with_name("lint-imports"))
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]

FORBIDDEN = [
    ("quire.decode", "quire.items"),
    ("quire.items", "quire.model"),
    ("quire.model", "quire.items"),
    ("quire.model", "torch"),
    ("quire.model", "mlflow"),
    ("quire.training", "quire.evaluation"),
    ("quire.evaluation", "quire.provenance"),
    ("quire.report", "quire.lifecycle"),
    ("quire.provenance", "quire.training"),
    ("quire.demo", "quire.model"),
    ("quire.lifecycle", "quire.cli"),
    ("quire.lifecycle", "stages"),
    ("quire.lifecycle", "labelling"),
    ("quire.lifecycle", "service"),
    ("service", "quire.items.tables"),
    ("service", "quire.training"),
    ("service", "quire.tracking"),
    ("service", "dvc"),
    ("labelling", "quire.model"),
    ("labelling", "service"),
    ("deploy", "quire.lifecycle"),
    ("stages.split", "stages.extract"),
    ("stages.split", "labelling"),
]


def lint(folder: Path) -> tuple[int, str]:
    done = subprocess.run([LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_forbidden_arrow_fails(tmp_path: Path) -> None:
    for name in ("pyproject.toml", *CONTRACTS["root_packages"]):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    assert lint(tmp_path)[0] == 0
    added = []
    for number, (importer, imported) in enumerate(FORBIDDEN):
        place = tmp_path / importer.replace(".", "/")
        file = place / f"added{number}.py" if place.is_dir() else place.with_suffix(".py")
        with file.open("a") as stream:
            stream.write(f"\nimport {imported}\n")
        added.append((f"{importer}.added{number}" if place.is_dir() else importer, imported))
    status, said = lint(tmp_path)
    assert status == 1
    assert [
        arrow
        for arrow in added
        if f"{arrow[0]} -> {arrow[1]}" not in said and f"{arrow[0]} is not allowed to import {arrow[1]}" not in said
    ] == [], said


def test_every_room_has_a_contract() -> None:
    """A new room is imported by nobody, or by those whom a contract names."""
    rooms = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in (ROOT / "quire").glob("[a-z]*")}
    protected = {room for contract in CONTRACTS["contracts"] for room in contract.get("protected_modules", [])}
    assert rooms - protected == {
        "quire.cache",
        "quire.decode",
        "quire.memory",
        "quire.repair",
        "quire.command",
    }  # the ground: all stand on it
