"""`quire remove`: nothing is left of what was removed but its key, and it does not come in again."""

import csv
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from quire.command import BadInput, call
from quire.demo.images import pdf
from quire.items.tables import Item, Label, read_table
from quire.lifecycle import change
from quire.lifecycle.remove import remove
from stages.extract import extract
from stages.import_labels import import_labels
from tests.conftest import ROOT, Encode, extracted_into

PARAMETERS = YAML(typ="safe").load(ROOT / "params.yaml")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, make_image: Encode, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three documents and a photo, with labels in every format, extracted; a log with an answer for each image."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUIRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("quire.lifecycle.change.track", list)
    data = tmp_path / "data"
    (data / "raw/sub").mkdir(parents=True)
    (data / "annotations").mkdir()
    for number, name in enumerate(("a", "b", "c")):
        pages = [make_image(seed=10 * number + page) for page in range(2)]
        (data / f"raw/sub/{name}.pdf").write_bytes(pdf(pages))
    (data / "raw/photo.jpg").write_bytes(make_image(seed=99))
    keys = [f"sub__{name}_page{page}_index0" for name in "abc" for page in range(2)]
    rows = [{"nameIdentifier": "7", "createDate": 1, "fileName": f"{key}.png", "annotation": {"label": "cat"}} for key in keys]
    ecotag = {"projectType": "ImageClassifier", "numberAnnotationsDone": 6, "annotations": rows}
    (data / "annotations/ecotag.json").write_text(json.dumps(ecotag))
    tasks = [
        {"id": number, "data": {"file_name": key}, "annotations": [{"completed_by": 3, "result": [_choice("cat")]}]}
        for number, key in enumerate(keys)
    ]
    (data / "annotations/studio.json").write_text(json.dumps(tasks))
    (data / "annotations/table.csv").write_text(
        'key,label,note\nphoto.jpg,dog,"two\nlines"\nsub__a_page1_index0,dog,\nsub__a_page0_index0,,\n'
    )
    (data / "frozen.csv").write_text("key,set\nsub__a_page0_index0,test\nsub__b_page0_index0,test\n")
    make(data)
    return data


def _choice(label: str) -> dict[str, object]:
    return {"type": "choices", "value": {"choices": [label]}}


def make(data: Path) -> None:
    """Run the stages of the data."""
    call(extract, [data / "raw", *extracted_into(data)], PARAMETERS["extract"])
    parameters = PARAMETERS["import_labels"] | {
        "classes": "auto",
        "tolerated": dict.fromkeys(PARAMETERS["import_labels"]["tolerated"], 1.0),
    }
    names = (data / "labels.csv", data / "votes.csv", data / "labels.json")
    call(import_labels, [data / "items.csv", data / "annotations", data / "table_labels.csv", *names], parameters)


def store_of(data: Path) -> Path:
    """A log with an answer and a label for each image that is kept, the images kept, and one of a whole PDF."""
    store = data.parent / "feedback"
    (store / "images").mkdir(parents=True)
    with sqlite3.connect(store / "answers.db") as database:
        database.execute("CREATE TABLE answers (id, sha256, document)")
        for number, item in enumerate(kept(data)):
            database.execute("INSERT INTO answers VALUES (?, ?, ?)", (f"id{number}", item.image_sha256, item.source_sha256))
            (store / f"id{number}.csv").write_text(f"key,sha256,label,annotator\nid{number},{item.image_sha256},cat,x\n")
            (store / "images" / str(item.image_sha256)).write_bytes(b"")
        (source_sha256,) = {item.source_sha256 for item in kept(data) if item.source == "sub/a.pdf"}
        database.execute("INSERT INTO answers VALUES ('small', 'of an image that is too small', ?)", (source_sha256,))
    return store


def kept(data: Path) -> list[Item]:
    return [item for item in read_table(data / "items.csv", Item) if item.status == "kept"]


def texts(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes().decode("latin-1")


def test_nothing_is_left_of_a_document_but_its_keys(data: Path) -> None:
    store = store_of(data)
    hashes = {str(item.image_sha256) for item in kept(data) if item.source == "sub/a.pdf"}
    said = remove("sub/a.pdf", data, store)
    assert said.startswith("sub/a.pdf: 3 keys, 3 answers of the log. Next: make repro")
    make(data)
    keys = {"sub__a.pdf", "sub__a_page0_index0", "sub__a_page1_index0"}
    assert (data / "raw/.removed.csv").read_text().split() == ["key", *sorted(keys)]
    telling = {path.relative_to(data.parent).as_posix() for path, text in texts(data.parent) if "sub__a" in text or "sub/a" in text}
    assert telling == {"data/raw/.removed.csv", "data/items.csv", "cache/extract/index.sqlite"}
    assert not any(sha256 in text or sha256 in path.name for path, text in texts(data.parent) for sha256 in hashes)
    assert {item.source for item in kept(data)} == {"photo.jpg", "sub/b.pdf", "sub/c.pdf"}
    assert len(list(store.glob("*.csv"))) == len(list((store / "images").iterdir())) == 5


def test_what_others_said_stays_as_it_was(data: Path) -> None:
    labels = read_table(data / "labels.csv", Label)
    remove("sub/a.pdf", data, data.parent / "feedback")
    make(data)
    assert read_table(data / "labels.csv", Label) == [row for row in labels if not row.key.startswith("sub__a")]
    assert (data / "annotations/table.csv").read_text() == 'key,label,note\nphoto.jpg,dog,"two\nlines"\n'
    ecotag = json.loads((data / "annotations/ecotag.json").read_text())
    assert ecotag["numberAnnotationsDone"] == len(ecotag["annotations"]) == 4
    assert [task["id"] for task in json.loads((data / "annotations/studio.json").read_text())] == [2, 3, 4, 5]
    assert (data / "frozen.csv").read_text() == "key,set\nsub__b_page0_index0,test\n"


def test_it_does_not_come_in_again_and_the_stages_say_so(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again, export = (data / "raw/sub/a.pdf").read_bytes(), (data / "annotations/ecotag.json").read_bytes()
    remove("sub/a.pdf", data, data.parent / "feedback")
    (data / "raw/sub/a.pdf").write_bytes(again)
    (data / "annotations/ecotag.json").write_bytes(export)
    make(data)
    assert "sub/a.pdf" not in {item.source for item in kept(data)}
    assert "extract: rejected sub__a_page0_index0: removed" in capsys.readouterr().out
    report = json.loads((data / "labels.json").read_text())
    assert report["removed"] == [{"key": "sub__a_page0_index0.png"}, {"key": "sub__a_page1_index0.png"}]
    assert report["orphan"] == []


def test_an_item_of_a_document_leaves_alone_and_the_file_is_named(data: Path) -> None:
    said = remove("sub__a_page1_index0", data, store_of(data))
    assert said.startswith("sub__a_page1_index0: 1 keys, 1 answers of the log; ")
    assert "sub/a.pdf stays, and the item in it: `quire remove sub/a.pdf` removes the whole" in said
    make(data)
    assert [item.key for item in kept(data) if item.source == "sub/a.pdf"] == ["sub__a_page0_index0"]
    assert not list((data / "images").glob("sub__a_page1*"))
    assert "sub__a_page1" not in (data / "votes.csv").read_text()


def test_a_photo_is_an_item_and_a_file(data: Path) -> None:
    remove("photo.jpg", data, data.parent / "feedback")
    assert not (data / "raw/photo.jpg").exists()
    with (data / "annotations/table.csv").open(newline="") as stream:
        assert [row["key"] for row in csv.DictReader(stream)] == ["sub__a_page1_index0", "sub__a_page0_index0"]


def test_what_is_not_there_is_refused(data: Path) -> None:
    with pytest.raises(BadInput, match="neither a key nor a source"):
        remove("sub/z.pdf", data, data.parent / "feedback")


@pytest.mark.parametrize("step", ["begun", "ready"])
def test_a_run_that_is_killed_changed_nothing_or_is_completed_by_the_next(
    step: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(texts(data))
    with monkeypatch.context() as broken:
        broken.setattr("quire.lifecycle.remove.ready" if step == "begun" else "quire.lifecycle.change._remove", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            remove("sub/a.pdf", data, data.parent / "feedback")
    if step == "begun":
        assert dict(texts(data)) == before
    change.finish(data)
    assert (data / "raw/sub/a.pdf").exists() == (step == "begun")
    assert not list(data.glob("*.partial"))


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
