"""The demos of tables."""

import hashlib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from quire.command import BadInput
from quire.demo import catalogue, reviews
from quire.demo.demo import table_demo
from quire.items.dvc import dvc
from tests.conftest import ROOT


def test_the_same_bytes_are_drawn_each_time() -> None:
    for drawn in (reviews.files, catalogue.files):
        hashes = [{path: hashlib.sha256(content).hexdigest() for path, content in drawn()} for _ in range(2)]
        assert hashes[0] == hashes[1]
        assert len(set(hashes[0].values())) == len(hashes[0])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert dvc("init", "--quiet", "--no-scm").returncode == 0
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return tmp_path


def test_a_demo_of_a_table_sets_what_its_example_sets_and_nothing_else(project: Path) -> None:
    table_demo("reviews", project / "data", project / "params.yaml", ROOT / "examples")
    was, now = (YAML(typ="safe").load(folder / "params.yaml") for folder in (ROOT, project))
    assert now["extract"].pop("table") == {"key": "id", "text": ["commentaire"], "label": "etoiles"}
    assert was["extract"].pop("table") is None
    assert now["import_labels"]["classes"] == "auto"
    assert now["train"]["zero_shot"]["groups"] == {}
    assert now["train"]["text"]["analyser"]["replacements"] == {"r.a.s": "bien"}
    assert now["train"]["text"]["analyser"]["words"] == was["train"]["text"]["analyser"]["words"]
    assert (now["extract"], now["split"], now["labelling"]) == (was["extract"], was["split"], was["labelling"])
    assert "# of a PDF" in (project / "params.yaml").read_text()
    assert (project / "data" / "raw.dvc").is_file()


def test_data_of_ones_own_that_are_elsewhere_are_not_given_up(project: Path) -> None:
    (project / "data").mkdir()
    (project / "data" / "raw.dvc").write_text("outs:\n- md5: 00000000000000000000000000000000.dir\n  path: raw\n")
    before = (project / "params.yaml").read_text()
    with pytest.raises(BadInput, match=r"raw\.dvc names data of your own"):
        table_demo("reviews", project / "data", project / "params.yaml", ROOT / "examples")
    assert (project / "params.yaml").read_text() == before
    assert not (project / "data" / "raw").exists()
