import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from quire.command import BadInput
from quire.demo.images import files, pdf
from quire.lifecycle.add import add, demo_files
from tests.conftest import Encode

CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree"}  # Python's audit events


@pytest.fixture(autouse=True)
def tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """An empty project, and the folders that DVC was asked to track: its own part is the pipeline's test."""
    calls: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("quire.lifecycle.change.track", lambda folders: calls.append([folder.name for folder in folders]))
    return calls


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def write(folder: Path, contents: dict[str, str | bytes]) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def zipped(path: Path, contents: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def held(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def bring(data: Path, source: Path | None = None, annotations: Path | None = None, challenge: Path | None = None) -> str:
    return add(source, annotations=annotations, challenge=challenge, folder=data)


def test_files_keep_their_folders_and_all_three_are_tracked(tmp_path: Path, data: Path, tracked: list[list[str]]) -> None:
    source = write(tmp_path / "source", {"a.pdf": "a", "sub/b.pdf": "b", ".hidden": "", ".git/x": "", "__MACOSX/a.pdf": ""})
    assert bring(data, source).startswith(f"2 new files in {data}. Next: make repro")
    assert held(data) == {"raw/a.pdf": "a", "raw/sub/b.pdf": "b"}
    assert tracked == [["raw", "annotations", "challenge"]]


def test_one_file_and_a_zip_come_in_as_a_folder_does(tmp_path: Path, data: Path) -> None:
    bring(data, write(tmp_path, {"a.pdf": "a"}) / "a.pdf", challenge=write(tmp_path / "unseen", {"x/1.jpg": "1"}))
    bring(data, zipped(tmp_path / "b.zip", {"sub/b.pdf": "b", "sub\\c.pdf": "c", "d\u00e9.pdf": "d", "__MACOSX/._b": ""}))
    assert held(data) == {
        "challenge/x/1.jpg": "1",
        "raw/a.pdf": "a",
        "raw/d\u00e9.pdf": "d",
        "raw/sub/b.pdf": "b",
        "raw/sub/c.pdf": "c",
    }


def test_what_is_there_is_left_and_another_content_is_refused_with_nothing_changed(tmp_path: Path, data: Path) -> None:
    source = write(tmp_path / "source", {"a.pdf": "a", "b.pdf": "b"})
    write(data, {"raw/a.pdf": "a"})
    assert bring(data, source).startswith("1 new files")
    write(source, {"b.pdf": "B", "c.pdf": "c"})
    with pytest.raises(BadInput, match=r"another content is there already: .*raw/b.pdf; nothing was copied"):
        bring(data, source)
    assert held(data) == {"raw/a.pdf": "a", "raw/b.pdf": "b"}


@pytest.mark.parametrize(("there", "new"), [("raw/a", "a/b.pdf"), ("raw/a/b.pdf", "a")])
def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path: Path, data: Path, there: str, new: str) -> None:
    write(data, {there: "there"})
    with pytest.raises(BadInput, match=r"another content is there already: .*raw/a; nothing"):
        bring(data, write(tmp_path / "source", {new: "new"}))
    assert held(data) == {there: "there"}


@pytest.mark.parametrize(
    ("source", "why"), [("nowhere", "no such file or folder"), ("empty", "no file in it"), (".", "itself lies in it")]
)
def test_a_source_that_gives_nothing_is_an_error(tmp_path: Path, data: Path, source: str, why: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=why):
        bring(data, tmp_path / source)
    with pytest.raises(BadInput, match="name what to bring in"):
        bring(data)


def test_a_name_that_is_not_utf8_is_refused_before_anything_is_changed(tmp_path: Path, data: Path) -> None:
    source = write(tmp_path / "source", {"a.pdf": "a"})
    try:
        (source / "lat\udce9.pdf").write_text("b")
    except OSError:
        pytest.skip("this file system takes no name that is not UTF-8")
    with pytest.raises(BadInput, match=r"'lat\?.pdf' is not UTF-8"):
        bring(data, source)
    assert held(data) == {}


def test_a_zip_with_names_of_an_old_windows_is_refused_and_one_of_macos_is_not(tmp_path: Path, data: Path) -> None:
    """Neither sets the flag that says UTF-8: the one writes its code page, the other UTF-8."""
    content = zipped(tmp_path / "x.zip", {"lat00.pdf": "b"}).read_bytes()
    (tmp_path / "windows.zip").write_bytes(content.replace(b"lat00", b"lat\xe9!"))
    (tmp_path / "macos.zip").write_bytes(content.replace(b"lat00", b"lat\xc3\xa9"))
    with pytest.raises(BadInput, match=r"windows.zip: the name b'lat\\xe9!.pdf' in it is not UTF-8"):
        bring(data, tmp_path / "windows.zip")
    bring(data, tmp_path / "macos.zip")
    assert held(data) == {"raw/lat\u00e9.pdf": "b"}


@pytest.mark.parametrize("name", ["/etc/x.pdf", "../x.pdf", "a/../../x.pdf", "..\\x.pdf", "C:\\x.pdf"])
def test_a_zip_that_would_write_elsewhere_is_refused(tmp_path: Path, data: Path, name: str) -> None:
    with pytest.raises(BadInput, match="would be written elsewhere"):
        bring(data, zipped(tmp_path / "x.zip", {"a.pdf": "a", name: "x"}))
    assert held(data) == {}


def test_a_zip_that_is_encrypted_doubled_or_damaged_is_refused(tmp_path: Path, data: Path) -> None:
    whole = zipped(tmp_path / "x.zip", {"a.pdf": "a" * 1000}).read_bytes()
    locked = bytearray(whole)
    locked[6] |= 1  # the flag in the member's own header, and in the directory
    locked[whole.index(b"PK\x01\x02") + 8] |= 1
    twice = zipped(tmp_path / "twice.zip", {"a.pdf": "a", "b.pdf": "b"})
    twice.write_bytes(twice.read_bytes().replace(b"b.pdf", b"a.pdf"))
    changed = whole.replace(whole[35:45], bytes(10))
    for content, why in ((bytes(locked), "'a.pdf' in it is encrypted"), (whole[:60], "damaged: "), (changed, "damaged: ")):
        (tmp_path / "bad.zip").write_bytes(content)
        with pytest.raises(BadInput, match=why):
            bring(data, tmp_path / "bad.zip")
    with pytest.raises(BadInput, match=r"'a\.pdf' is in it twice"):
        bring(data, twice)
    assert held(data) == {}


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quire.lifecycle.incoming.SMALL", 10_000)
    bomb = zipped(tmp_path / "bomb.zip", {"zeros.pdf": bytes(1_000_000)})
    with pytest.raises(BadInput, match=r"unpack to 1000000, more than 100 times as many"):
        bring(data, bomb)
    assert bring(data, zipped(tmp_path / "small.zip", {"zeros.pdf": bytes(9_999)})).startswith("1 new files")


def test_what_does_not_fit_on_the_disk_is_not_begun(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 3})())
    with pytest.raises(BadInput, match="4 bytes are new, and 3 are free"):
        bring(data, write(tmp_path / "source", {"a.pdf": "four"}))
    assert list(data.iterdir()) == []


def test_of_a_folder_of_annotations_only_exports_are_taken(tmp_path: Path, data: Path) -> None:
    """The service's feedback folder holds its log and kept images too."""
    source = write(tmp_path / "feedback", {"1.csv": "a", "answers.db": "b", "images/0a": "c"})
    assert "2 files of" in (said := bring(data, annotations=source))
    assert "are left where they are, being no export: answers.db, …" in said
    assert held(data) == {"annotations/1.csv": "a"}
    with pytest.raises(BadInput, match=r"no \.csv or \.json in it"):
        bring(data, annotations=source / "images")


@pytest.fixture
def small_demo(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {"raw/demo-000.pdf": "drawn", "raw/north/x.pdf": "drawn", "annotations/demo-ecotag.json": "drawn"}
    monkeypatch.setattr("quire.lifecycle.add.files", lambda: [(Path(name), content.encode()) for name, content in drawn.items()])
    write(data, {**drawn, "raw/own.pdf": "mine"})


def test_the_demo_and_its_classes_give_way_to_a_clients_data(tmp_path: Path, data: Path, small_demo: None) -> None:
    (tmp_path / "params.yaml").write_text("import_labels:\n  classes: [cat, dog, other]  # or auto\n")
    said = bring(data, write(tmp_path / "source", {"demo-000.pdf": "the client's"}))
    assert said.startswith(
        f"1 new files in {data}; the demo's 3 files gave way; its list of classes, too: import_labels.classes in"
    )
    assert held(data) == {"raw/demo-000.pdf": "the client's", "raw/own.pdf": "mine"}
    assert not (data / "raw" / "north").exists()
    assert (tmp_path / "params.yaml").read_text() == "import_labels:\n  classes: auto  # or auto\n"


def test_labels_alone_leave_the_demo_and_its_classes_in_place(tmp_path: Path, data: Path, small_demo: None) -> None:
    (tmp_path / "params.yaml").write_text("import_labels:\n  classes: [cat, dog, other]\n")
    bring(data, annotations=write(tmp_path, {"export.json": "[]"}) / "export.json")
    assert {"raw/demo-000.pdf", "annotations/demo-ecotag.json", "annotations/export.json"} <= set(held(data))
    assert "auto" not in (tmp_path / "params.yaml").read_text()


def test_a_list_of_classes_of_ones_own_stays(tmp_path: Path, data: Path, small_demo: None) -> None:
    (tmp_path / "params.yaml").write_text("import_labels:\n  classes: [tulip, rose]\n")
    assert "list of classes" not in bring(data, write(tmp_path / "source", {"a.pdf": "a"}))
    assert "[tulip, rose]" in (tmp_path / "params.yaml").read_text()


def test_only_what_the_demo_drew_is_the_demos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = list(islice(files(), 2))
    monkeypatch.setattr("quire.lifecycle.add.files", lambda: drawn)
    assert demo_files(tmp_path) == set()
    for path, content in drawn:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (tmp_path / "raw" / "demo-001.pdf").write_bytes(b"a client's own file of that name")
    assert demo_files(tmp_path) == {Path("raw/demo-000.pdf")}


class Killed(BaseException):
    """Stands for a kill: from its step on, nothing that a process does to files is done."""


@pytest.fixture(scope="module")
def kill_at() -> Iterator[Callable[[int], None]]:
    """Kill what follows at so many steps that change files, seen by an audit hook; 0 lets all live."""
    left = [0]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if left[0] and (event in CHANGES or (event == "open" and arguments[1] in ("w", "wb"))):
            left[0] = max(1, left[0] - 1)
            if left[0] == 1:
                raise Killed

    sys.addaudithook(hook)
    yield lambda step: left.__setitem__(0, step and step + 1)
    left[0] = 0


def test_killed_at_any_step_the_old_state_stays_or_the_next_call_completes_it(
    tmp_path: Path, data: Path, small_demo: None, kill_at: Callable[[int], None]
) -> None:
    source = write(tmp_path / "source", {"demo-000.pdf": "own", "b.pdf": "b", "north/y.pdf": "y"})
    labels = write(tmp_path / "labels", {"labels.csv": "key,label\n"})
    before, parameters = held(data), tmp_path / "params.yaml"
    after = {"raw/b.pdf": "b", "raw/demo-000.pdf": "own", "raw/north/y.pdf": "y", "raw/own.pdf": "mine"}
    outcomes = []
    for step in range(1, 100):
        shutil.rmtree(data)
        write(data, {**before})
        parameters.write_text("classes: [cat, dog, other]")
        kill_at(step)
        try:
            bring(data, source)
            break
        except Killed:
            outcomes.append((data / "add-ready.partial").exists())
        finally:
            kill_at(0)
        assert outcomes[-1] or {name: text for name, text in held(data).items() if ".partial/" not in name} in (before, after)
        bring(data, annotations=labels)
        assert held(data) == (after if outcomes[-1] else before) | {"annotations/labels.csv": "key,label\n"}
        assert parameters.read_text() == ("classes: auto" if outcomes[-1] else "classes: [cat, dog, other]")
        assert not list(data.glob("*.partial"))
    assert (held(data), parameters.read_text()) == (after, "classes: auto")
    assert outcomes.count(True) > 5
    assert outcomes.count(False) > 5


def test_thousands_of_files_take_no_long_time(tmp_path: Path, data: Path) -> None:
    source = write(tmp_path / "source", {f"{number % 7}/{number}.pdf": "x" for number in range(4000)})
    bring(data, source)
    start = time.perf_counter()
    assert bring(data, source).startswith("0 new files")
    assert time.perf_counter() - start < 2


def labelled(data: Path, name: str) -> Iterator[str]:
    yield from (data / "annotations" / name).read_text().splitlines()


def test_class_folders_label_their_images(tmp_path: Path, data: Path, make_image: Encode) -> None:
    images = {f"{label}/{number}.jpg": make_image(seed=number) for label in ("cat", "dog") for number in range(2)}
    said = bring(
        data,
        write(tmp_path / "photos", {**images, "dog/deep/2.jpg": make_image(), "loose.jpg": make_image(), "cat/notes.txt": "x"}),
    )
    assert "labels from the names of folders: cat 2, dog 3, in " in said
    assert list(labelled(data, "folders-photos.csv")) == [
        "key,label",
        "cat__0.jpg,cat",
        "cat__1.jpg,cat",
        "dog__0.jpg,dog",
        "dog__1.jpg,dog",
        "dog__deep__2.jpg,dog",
    ]
    (tmp_path / "photos" / "cat" / "1.jpg").unlink()
    bring(data, write(tmp_path / "photos", {"bird/1.jpg": make_image(seed=9)}))
    assert [line for line in labelled(data, "folders-photos.csv") if "1.jpg" in line] == [
        "bird__1.jpg,bird",
        "cat__1.jpg,cat",
        "dog__1.jpg,dog",
    ]


def test_in_a_zip_with_one_folder_about_all_the_classes_are_inside(tmp_path: Path, data: Path, make_image: Encode) -> None:
    bring(data, zipped(tmp_path / "photos.zip", {"photos/cat/1.jpg": make_image(), "photos/dog/1.jpg": make_image(seed=1)}))
    assert list(labelled(data, "folders-photos.csv"))[1:] == ["photos__cat__1.jpg,cat", "photos__dog__1.jpg,dog"]


@pytest.mark.parametrize(
    "kinds",
    [
        {"cat/1": "image"},  # one alone
        {"photos/1": "image", "photos/2": "image"},
        {"cat/1": "image", "dog/1": "pdf"},
        {"cat/1": "image", "dog/1": "image", "dog/2": "pdf"},
        {"1": "image", "2": "image"},
        {"cat/1": "pdf", "dog/1": "pdf"},
    ],
)
def test_other_folders_are_no_classes(tmp_path: Path, data: Path, make_image: Encode, kinds: dict[str, str]) -> None:
    content = {"image": make_image(), "pdf": pdf([make_image()])}
    said = bring(data, write(tmp_path / "source", {name: content[kind] for name, kind in kinds.items()}))
    assert "labels" not in said
    assert not list((data / "annotations").iterdir())


def test_where_annotations_come_along_folders_are_no_classes(tmp_path: Path, data: Path, make_image: Encode) -> None:
    source = write(tmp_path / "photos", {"cat/1.jpg": make_image(), "dog/1.jpg": make_image(seed=1)})
    bring(data, source, annotations=write(tmp_path / "labels", {"labels.csv": "key,label\n"}))
    assert [path.name for path in (data / "annotations").iterdir()] == ["labels.csv"]
