from itertools import islice
from pathlib import Path

import pytest

from quire.command import BadInput
from quire.demo.images import files
from quire.lifecycle.add import EXPORTS, data, demo_files, new_files


def write(folder: Path, contents: dict[str, str]) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def test_new_files_keep_their_folders(tmp_path: Path) -> None:
    source, target = write(tmp_path / "source", {"a.pdf": "a", "sub/b.pdf": "b", ".hidden": ""}), tmp_path / "raw"
    assert new_files(source, target, set()) == [(source / "a.pdf", target / "a.pdf"), (source / "sub/b.pdf", target / "sub/b.pdf")]
    assert new_files(source / "a.pdf", target, set()) == [(source / "a.pdf", target / "a.pdf")]


def test_what_is_there_already_is_left_and_another_content_is_an_error(tmp_path: Path) -> None:
    source, target = write(tmp_path / "source", {"a.pdf": "a", "b.pdf": "b"}), write(tmp_path / "raw", {"a.pdf": "a"})
    assert new_files(source, target, set()) == [(source / "b.pdf", target / "b.pdf")]
    write(target, {"b.pdf": "something else"})
    with pytest.raises(BadInput, match=r"another content is there already: .*raw/b.pdf; nothing was copied"):
        new_files(source, target, set())
    assert new_files(source, target, {target / "b.pdf"}) == [(source / "b.pdf", target / "b.pdf")]


@pytest.mark.parametrize("source", ["nowhere", "empty"])
def test_a_source_without_files_is_an_error(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"no such file or folder|no file in it"):
        new_files(tmp_path / source, tmp_path / "raw", set())


def test_of_a_folder_of_annotations_only_exports_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The service's feedback folder holds its log and kept images too."""
    source = write(tmp_path / "feedback", {"1.csv": "a", "answers.db": "b", "images/0a": "c"})
    assert new_files(source, tmp_path / "annotations", set(), EXPORTS) == [(source / "1.csv", tmp_path / "annotations" / "1.csv")]
    assert "2 files are left where they are, being no export: answers.db, …" in capsys.readouterr().out


def test_labels_alone_leave_the_demo_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quire.lifecycle.add.track", lambda _: None)
    path, content = next(iter(files()))
    write(tmp_path / "data", {str(path): ""})
    (tmp_path / "data" / path).write_bytes(content)
    data(None, write(tmp_path / "source", {"export.json": "[]"}), None, tmp_path / "data")
    assert (tmp_path / "data" / path).exists()
    assert (tmp_path / "data" / "annotations" / "export.json").exists()


def test_nothing_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="quire add <folder> --annotations <file or folder> --challenge <folder>"):
        data(None, None, None, tmp_path)


def test_the_demo_gives_way_to_a_clients_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quire.lifecycle.add.track", lambda _: None)  # DVC's part is the pipeline's test
    monkeypatch.setattr(
        "quire.lifecycle.add.files", lambda: [(Path("raw", name), b"drawn") for name in ("demo-000.pdf", "north/x.pdf")]
    )
    write(tmp_path / "data", {"raw/demo-000.pdf": "drawn", "raw/north/x.pdf": "drawn", "raw/own.pdf": "mine"})
    data(write(tmp_path / "source", {"demo-000.pdf": "the client's"}), None, None, tmp_path / "data")
    found = {path.relative_to(tmp_path).as_posix(): path.is_file() and path.read_text() for path in (tmp_path / "data").rglob("*")}
    assert found == {
        "data/raw": False,
        "data/annotations": False,
        "data/challenge": False,
        "data/raw/own.pdf": "mine",
        "data/raw/demo-000.pdf": "the client's",
    }


def test_only_what_the_demo_drew_is_the_demos(tmp_path: Path) -> None:
    assert demo_files(tmp_path) == set()
    for path, content in islice(files(), 2):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (tmp_path / "raw" / "demo-001.pdf").write_bytes(b"a client's own file of that name")
    assert demo_files(tmp_path) == {tmp_path / "raw" / "demo-000.pdf"}
