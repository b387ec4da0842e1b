"""Where an item comes from, by the tables that lie in the working tree."""

from pathlib import Path

import pytest
from git import Repo

from quire.command import BadInput
from quire.items.tables import Assignment, Given, Item, Label, write_table
from quire.provenance.trace import trace
from tests.conftest import commit, run

SHA256 = "0123456789abcdef" * 4
LOCK = "stages:\n  extract:\n    cmd: x\n    outs: [{path: data/items.csv, md5: a}]\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An image of a PDF with two votes, an image file without a label, and a file that cannot be read."""
    items = [
        Item(key="a__b_page1_index0", source="a/b.pdf", page=1, index=0, status="kept", image="x.jpg", image_sha256=SHA256),
        Item(key="c.jpg", source="c.jpg", status="kept", image="c.jpg", image_sha256="f" * 64),
        Item(key=None, source="d.pdf", status="rejected", reason="encrypted"),
    ]
    votes = [
        Given("a__b_page1_index0", "cat", "7f3a", "ecotag.json", "annotations[3]", "2026-01-02"),
        Given("a__b_page1_index0", "dog", "9c21", "labels.csv", "line 4", None),
        Given("c.jpg", "dog", "9c21", "labels.csv", "line 5", None),
    ]
    write_table(tmp_path / "data/items.csv", Item, items)
    write_table(tmp_path / "data/votes.csv", Given, votes)
    write_table(tmp_path / "data/labels.csv", Label, [Label("a__b_page1_index0", "cat", 2, 0.5)])
    write_table(tmp_path / "data/split.csv", Assignment, [Assignment("a__b_page1_index0", "test")])
    (tmp_path / "dvc.lock").write_text(LOCK)
    Repo.init(tmp_path)
    return tmp_path


def test_an_image_of_a_pdf_leads_to_its_page_and_to_those_who_labelled_it(project: Path) -> None:
    facts = list(trace(project, "a__b_page1_index0"))
    assert facts == [
        ("image", f"a__b_page1_index0, kept, SHA-256 {SHA256}"),
        ("document", "data/raw/a/b.pdf, page 2, image 1 of the page"),
        ("data version", "the working tree"),
        ("label", "cat"),
        ("given by", "7f3a: cat, ecotag.json annotations[3], 2026-01-02"),
        ("given by", "9c21: dog, labels.csv line 4, no date"),
        ("set", "test"),
    ]
    assert list(trace(project, "01234567")) == facts


def test_an_image_file_has_no_page(project: Path) -> None:
    assert dict(trace(project, "c.jpg"))["document"] == "data/raw/c.jpg"
    assert dict(trace(project, "c.jpg"))["label"] == "none"


def test_a_commit_of_an_earlier_layout_is_passed_by(project: Path) -> None:
    """Its ledger has other columns."""
    ledger = (project / "data/items.csv").read_text()
    (project / "data/items.csv").write_text("key,document,file,sha256\nold,a.pdf,old.jpg,ab\n")
    (project / "dvc.lock").write_text(LOCK.replace("cmd: x", "cmd: x\n    deps: [{path: service/decode.py, md5: b}]"))
    (project / ".gitignore").touch()
    run(project, "dvc", "init", "--quiet")
    commit(project, "an earlier layout")
    with pytest.raises(BadInput, match="old: neither a file, nor an answer's id, nor an image of any version"):
        list(trace(project, "old"))
    (project / "data/items.csv").write_text(ledger)
    (project / "dvc.lock").write_text(LOCK)
    assert dict(trace(project, "c.jpg"))["data version"] == "the working tree"


def test_what_is_no_image_is_an_error(project: Path) -> None:
    with pytest.raises(BadInput, match="None: neither"):
        list(trace(project, "None"))
