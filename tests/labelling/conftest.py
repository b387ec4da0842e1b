"""A project folder with drawn images and their ledger, and Ecotag's contract server."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from labelling.ecotag import Ecotag
from labelling.parameters import Parameters, read_parameters
from quire.items.groups import with_groups
from quire.items.tables import Item, Prediction, write_table
from tests.conftest import ROOT, Encode, free_port
from tests.labelling.ecotag_server import State, running, token

PARAMETERS = """
import_labels: {classes: [cat, dog, other], mapping: {}}
labelling:
  project: quire
  colours: {dog: "#00f", cat: "#FF0000", other: "#999999"}
  cross_annotation: 1
  team: Quire-Team
  annotators: []
  classification: Internal
"""


# of import_labels
PATHS = ("data/items.csv", "data/annotations", "data/table_labels.csv", "data/labels.csv", "data/votes.csv", "reports/labels.json")


@dataclass
class Folder:
    """A project: params.yaml, data/images and data/items.csv."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)

    def keep(self, contents: dict[str, bytes]) -> None:
        """Fill data/images and the ledger: a file each, its document what stands before `_page`."""
        items = []
        for name, content in contents.items():
            (self.path / "data" / "images").mkdir(parents=True, exist_ok=True)
            (self.path / "data" / "images" / name).write_bytes(content)
            key, sha256 = name.rsplit(".", 1)[0], hashlib.sha256(content).hexdigest()
            source = f"{key.split('_page')[0]}.pdf"
            items.append(Item(key=key, source=source, page=0, index=0, status="kept", image_sha256=sha256, image=name))
        repeat = Item(key="z_page9_index0", source="z.pdf", page=9, index=0, status="repeat", image_sha256="0")
        write_table(self.path / "data" / "items.csv", Item, with_groups([*items, repeat]))

    def predict(self, name: str, *rows: Prediction) -> None:
        """Write a table of predictions."""
        write_table(self.path / name, Prediction, rows)

    def write(self, name: str, text: str) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `quire labels` here."""
        surroundings = os.environ | {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"} | self.environment
        command = [sys.executable, "-m", "quire", "labels", *arguments]
        return subprocess.run(command, cwd=self.path, env=surroundings, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_image: Encode) -> Folder:
    """Twenty-four images of six documents."""
    monkeypatch.chdir(tmp_path)
    made = Folder(tmp_path)
    made.write("params.yaml", PARAMETERS)
    made.write("data/table_labels.csv", "key,label\n")
    made.write(".dvc/config", "[core]\n    no_scm = True\n    analytics = false\n    check_update = false\n")
    made.keep(
        {
            f"{document}_page{page}_index0.jpg": make_image(seed=10 * n + page)
            for n, document in enumerate("abcdef")
            for page in range(4)
        }
    )
    return made


@pytest.fixture
def parameters(folder: Folder) -> Parameters:
    return read_parameters()


@pytest.fixture
def ecotag(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    """A contract server with three users; `folder` knows where it is."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    roles = {"1": "administrator", "2": "administrator", "3": "annotator", "computer": "data scientist"}
    users = [
        {"id": f"user-{who}", "email": f"{who}@example.com", "role": role, "nameIdentifier": who} for who, role in roles.items()
    ]
    state = State(users=users)
    with running(state, free_port()) as url:
        folder.environment |= {"ECOTAG_URL": url, "ECOTAG_TOKEN": token("2")}
        yield state


@pytest.fixture
def client(ecotag: State, folder: Folder, parameters: Parameters) -> Ecotag:
    return Ecotag(folder.environment["ECOTAG_URL"], folder.environment["ECOTAG_TOKEN"], parameters)
