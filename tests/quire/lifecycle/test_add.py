import csv
import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from quire.command import BadInput
from quire.demo.images import files
from quire.lifecycle import add as room
from quire.lifecycle.add import add, demo_files
from tests.conftest import Encode


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project; what DVC makes of it is the pipeline's test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(room, "track", list)
    return tmp_path


def write(folder: Path, contents: dict[str, str | bytes]) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def bring(source: Path | None, **given: Any) -> str:
    return add(source, **{"annotations": None, "challenge": None, "folder": Path("data")} | given)


def held() -> dict[str, bytes]:
    return {path.relative_to("data").as_posix(): path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}


def labels(name: str) -> dict[str, str]:
    with Path("data/annotations", name).open(newline="") as stream:
        return {row["key"]: row["label"] for row in csv.DictReader(stream)}


def test_files_keep_their_folders_and_a_second_time_only_what_is_new_comes(here: Path) -> None:
    source = write(here / "source", {"a.pdf": "%PDF-a", "sub/b.pdf": "%PDF-b", ".hidden": ""})
    assert bring(source).startswith("2 new files in data")
    assert held() == {"raw/a.pdf": b"%PDF-a", "raw/sub/b.pdf": b"%PDF-b"}
    write(source, {"c.pdf": "%PDF-c"})
    assert bring(source).startswith("1 new files in data")
    assert bring(source / "c.pdf").startswith("0 new files in data")


def test_another_content_of_that_name_is_refused_and_nothing_changes(here: Path) -> None:
    bring(write(here / "one", {"a.pdf": "%PDF-a"}))
    before = held()
    with pytest.raises(BadInput, match=r"another content is there already: data/raw/a.pdf; nothing was copied"):
        bring(write(here / "two", {"a.pdf": "%PDF-other", "b.pdf": "%PDF-b"}))
    with pytest.raises(BadInput, match=r"another content is there already: data/raw/a.pdf"):
        bring(write(here / "three", {"a.pdf/below.pdf": "%PDF-b"}))
    assert held() == before


def test_folders_of_images_name_the_labels_unless_an_export_does(here: Path, make_image: Encode) -> None:
    places = [f"{label}/{number}.jpg" for label in ("Golden Retriever", "tulip") for number in (1, 2)]
    photos = write(here / "photos", {place: make_image(seed=number) for number, place in enumerate(places)})
    said = bring(photos)
    assert "labels from the names of folders: Golden Retriever 2, tulip 2, in data/annotations/folders-photos.csv" in said
    assert labels("folders-photos.csv") == {
        "Golden Retriever__1.jpg": "Golden Retriever", "Golden Retriever__2.jpg": "Golden Retriever",
        "tulip__1.jpg": "tulip", "tulip__2.jpg": "tulip",
    }  # fmt: skip
    write(photos, {"rose/3.jpg": make_image(seed=3)})
    bring(photos)
    assert labels("folders-photos.csv")["rose__3.jpg"] == "rose"
    other = write(here / "other", {"x/1.png": make_image("PNG"), "y/1.png": make_image("PNG", seed=1)})
    bring(other, annotations=write(here / "exports", {"e.csv": "file,label\n"}))
    assert not Path("data/annotations/folders-other.csv").exists()


def test_folders_that_hold_pdfs_or_stand_alone_name_no_label(here: Path, make_image: Encode) -> None:
    mixed: dict[str, str | bytes] = {
        "north/a.pdf": "%PDF-a",
        "north/b.jpg": make_image(),
        "south/c.pdf": "%PDF-c",
        "south/d.jpg": make_image(seed=1),
    }
    assert "labels" not in bring(write(here / "mixed", mixed))
    assert "labels" not in bring(write(here / "alone", {"photos/1.jpg": make_image(seed=2)}))


def test_a_zip_is_taken_as_its_folder_would_be(here: Path, make_image: Encode) -> None:
    with zipfile.ZipFile(here / "photos.zip", "w") as archive:
        for name in ("photos/cat/1.jpg", "photos/dog/1.jpg", "__MACOSX/photos/cat/._1.jpg"):
            archive.writestr(name, make_image(seed=len(name) + ord(name[7])))
    assert "cat 1, dog 1" in bring(here / "photos.zip")
    assert labels("folders-photos.csv") == {"photos__cat__1.jpg": "cat", "photos__dog__1.jpg": "dog"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("../out.pdf", b"x", r"'\.\./out\.pdf' in it would be written elsewhere"),
        ("/root.pdf", b"x", "'/root.pdf' in it would be written elsewhere"),
        ("bomb.pdf", bytes(120 * 2**20), "unpack to 125829120, more than 100 times as many"),
    ],
)
def test_a_zip_that_would_do_harm_is_refused(here: Path, name: str, content: bytes, message: str) -> None:
    with zipfile.ZipFile(here / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    with pytest.raises(BadInput, match=message):
        bring(here / "x.zip")
    assert not Path("data/raw").exists()


def test_a_damaged_zip_leaves_nothing(here: Path) -> None:
    with zipfile.ZipFile(here / "x.zip", "w") as archive:
        archive.writestr("a.pdf", b"%PDF-aaaa")
    whole = (here / "x.zip").read_bytes()
    (here / "x.zip").write_bytes(whole.replace(b"%PDF-aaaa", b"%PDF-aaab"))
    with pytest.raises(BadInput, match="damaged: Bad CRC-32"):
        bring(here / "x.zip")
    assert held() == {}


def test_a_name_that_is_not_utf8_is_named_before_anything_changes(here: Path) -> None:
    source = write(here / "source", {"a.pdf": "%PDF-a"})
    (source / "b\udce9.pdf").write_bytes(b"%PDF-b")
    with pytest.raises(BadInput, match="is not UTF-8; nothing was copied"):
        bring(source)
    assert not Path("data/raw").exists()


@pytest.mark.parametrize("source", ["nowhere", "empty"])
def test_a_source_without_files_is_an_error(here: Path, source: str) -> None:
    (here / "empty").mkdir()
    with pytest.raises(BadInput, match=r"no such file or folder|no file in it"):
        bring(here / source)
    with pytest.raises(BadInput, match="name what to bring in: quire add"):
        bring(None)


def test_of_a_folder_of_annotations_only_exports_are_taken(here: Path) -> None:
    """The service's feedback folder holds its log and kept images too."""
    source = write(here / "feedback", {"1.csv": "a", "answers.db": "b", "images/0a": "c"})
    assert "2 files of" in bring(None, annotations=source)
    assert held() == {"annotations/1.csv": b"a"}


def test_killed_before_all_is_there_nothing_changed_and_killed_after_the_next_call_ends_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(here / "source", {"a.pdf": "%PDF-a", "b.pdf": "%PDF-b"})
    with monkeypatch.context() as patched:
        patched.setattr(room, "_copy", lambda *_: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            bring(source)
    assert held() == {}
    with monkeypatch.context() as patched:
        patched.setattr("quire.lifecycle.add.os.replace", lambda *_: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            bring(source)
    bring(None, annotations=write(here / "exports", {"e.csv": "x"}))
    assert held() == {"raw/a.pdf": b"%PDF-a", "raw/b.pdf": b"%PDF-b", "annotations/e.csv": b"x"}


def test_the_demo_and_its_classes_give_way_to_a_clients_data(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {"raw/demo-000.pdf": b"%PDF-drawn", "raw/north/x.pdf": b"%PDF-drawn"}
    monkeypatch.setattr(room, "files", lambda: [(Path(name), content) for name, content in drawn.items()])
    write(here / "data", drawn | {"raw/own.pdf": "mine"})
    (here / "params.yaml").write_text("import_labels:\n  classes: [cat, dog, other]  # or auto\n")
    said = bring(write(here / "source", {"demo-000.pdf": "%PDF-the client's"}))
    assert "the demo's 2 files gave way" in said
    assert "import_labels.classes in params.yaml is auto" in said
    assert (here / "params.yaml").read_text() == "import_labels:\n  classes: auto  # or auto\n"
    assert held() == {"raw/own.pdf": b"mine", "raw/demo-000.pdf": b"%PDF-the client's"}


def test_labels_alone_and_a_list_of_ones_own_leave_the_demo_in_place(here: Path) -> None:
    path, content = next(iter(files()))
    write(here / "data", {str(path): content})
    (here / "params.yaml").write_text("import_labels:\n  classes: [cat, dog, other]\n")
    bring(None, annotations=write(here / "source", {"export.json": "[]"}))
    assert Path("data", path).exists()
    assert "auto" not in (here / "params.yaml").read_text()


def test_only_what_the_demo_drew_is_the_demos(here: Path) -> None:
    assert demo_files(here) == set()
    for path, content in islice(files(), 2):
        write(here, {str(path): content})
    (here / "raw" / "demo-001.pdf").write_bytes(b"a client's own file of that name")
    assert demo_files(here) == {Path("raw/demo-000.pdf")}
