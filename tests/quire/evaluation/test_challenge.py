from pathlib import Path

import pytest

from quire.command import BadInput
from quire.evaluation.challenge import challenge_outcome, challenge_set
from quire.model.predictor import Answer

LABELS = ["cat", "dog", "other"]


def place(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"an image")
    return folder


def test_a_folder_is_a_label_and_one_in_it_a_kind(tmp_path: Path) -> None:
    place(tmp_path, "cat/a.jpg", "other/animals/b.PNG", "other/notes.txt")
    assert [(each.label, each.kind) for each in challenge_set(tmp_path, LABELS)] == [("cat", "cat"), ("other", "other/animals")]


@pytest.mark.parametrize("name", ["pictures.csv", "images.csv", "What they are.CSV"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_list_says_what_is_what_wherever_it_lies_and_whatever_its_name(tmp_path: Path, name: str, encoding: str) -> None:
    place(tmp_path, "animals/a.jpg", "cats/b.jpg", "cats/notes.csv")
    (tmp_path / name).write_text("file,label,kind,credit\nanimals/a.jpg,other,animals,me\ncats/b.jpg,cat,,me\n", encoding)
    assert [(each.label, each.kind) for each in challenge_set(tmp_path, LABELS)] == [("other", "animals"), ("cat", "cat")]


def test_two_lists_are_refused_and_both_are_named(tmp_path: Path) -> None:
    place(tmp_path, "cats/b.jpg")
    for name in ("images.csv", "pictures.csv"):
        (tmp_path / name).write_text("file,label\ncats/b.jpg,cat\n")
    with pytest.raises(BadInput, match=r"images\.csv and .*pictures\.csv: two lists"):
        challenge_set(tmp_path, LABELS)


def test_an_empty_folder_is_no_challenge(tmp_path: Path) -> None:
    assert challenge_set(tmp_path, LABELS) == []


@pytest.mark.parametrize(
    ("files", "listed", "message"),
    [
        (["animals/a.jpg"], None, r"animals/a.jpg: 'animals' is none of the labels cat, dog, other; name the folder after a label"),
        (["a.jpg"], None, "a.jpg: lies in no folder"),
        (["x/a.jpg"], "file,label\nx/a.jpg,horse\n", "'horse' is none of the labels"),
        (["x/a.jpg"], "file,label\nx/b.jpg,cat\n", "line 2, column file: no such image: 'x/b.jpg'"),
        (["x/a.jpg"], "file,kind\nx/a.jpg,cat\n", "has no column label"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, files: list[str], listed: str | None, message: str) -> None:
    place(tmp_path, *files)
    if listed:
        (tmp_path / "images.csv").write_text(listed)
    with pytest.raises(BadInput, match=message):
        challenge_set(tmp_path, LABELS)


def test_an_outcome_counts_right_wrong_and_unsure() -> None:
    shares = {"cat": 0.6, "dog": 0.4}
    found = challenge_outcome(
        [
            ("cat", Answer("cat", "cat", None, shares, 0.1)),
            ("cat", Answer("cat", "unsure", "low_confidence", shares, 0.1)),
            ("dog", Answer("cat", "unsure", "unfamiliar", shares, 0.9)),
            ("dog", Answer("cat", "cat", None, shares, 0.1)),
        ]
    )
    assert [found[name]["value"] for name in ("right", "decided_wrong", "unsure")] == [0.5, 0.25, 0.5]
    assert found["reasons"] == {"low_confidence": 1, "unfamiliar": 1}


@pytest.mark.parametrize(
    "listed",
    [
        "file;label;kind\r\ncats/b.jpg;cat;\r\n;;\r\n",
        "sep=;\r\nFile; Label\r\ncats/b.jpg ; cat\r\n",
        "Filename\tLabel\ncats/b.jpg\tcat\n\t\n",
        "file,label\n\ncats/b.jpg,cat\n,\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_may_come_from_a_spreadsheet(tmp_path: Path, listed: str, encoding: str) -> None:
    place(tmp_path, "cats/b.jpg")
    (tmp_path / "list.csv").write_bytes(listed.encode(encoding))
    assert [(each.label, each.kind) for each in challenge_set(tmp_path, LABELS)] == [("cat", "cat")]


def test_a_list_in_another_encoding_says_how_to_save_it(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes("file,label\né.jpg,cat\n".encode("cp1252"))
    with pytest.raises(BadInput, match=r"list\.csv: not UTF-8 text: .*save it as UTF-8"):
        challenge_set(tmp_path, LABELS)
