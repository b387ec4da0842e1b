import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from quire.command import BadInput
from quire.items.annotations.findings import LOSSES
from quire.items.tables import Given, Item, Label, read_table, write_table
from stages.extract import extract
from stages.import_labels import import_labels
from tests.conftest import extracted_into
from tests.stages.test_extract import BOUNDS

KEYS = ["a", "b", "c", "d"]
TABLES = ["sep=;\r\nfile;label\r\na.png;cat\r\n", "Filename,Label\na.png,cat\n,\n", "sep=,\nkey,label\na,cat\n"]
LENIENT = dict.fromkeys(LOSSES, 1.0)
PARAMETERS: dict[str, Any] = {
    "classes": ["cat", "dog", "other"],
    "mapping": {},
    "min_votes": 1,
    "pseudonyms": "numbered",
    "tolerated": LENIENT,
}
OUTPUTS = ("labels.csv", "votes.csv", "labels.json")
FILES = ("table_labels.csv", *OUTPUTS)


def ecotag(*votes: tuple[str, str, str], **outer: Any) -> str:
    """An Ecotag export of (annotator, key, label)."""
    rows = [
        {"nameIdentifier": who, "createDate": 638413464511054424, "fileName": f"{key}.png", "annotation": {"label": label}}
        for who, key, label in votes
    ]
    return json.dumps({"projectType": "ImageClassifier", "numberAnnotationsDone": len(rows), "annotations": rows} | outer)


def task(number: int, name: str, *annotations: dict[str, Any], **data: str) -> dict[str, Any]:
    """A Label Studio task."""
    return {
        "id": number,
        "data": {"image": f"/data/upload/1/68cfe022-{name}.png"} | data,
        "annotations": list(annotations),
        "drafts": [],
    }


def annotation(who: int, *choices: str, at: str = "2026-01-01", cancelled: bool = False) -> dict[str, Any]:
    """A Label Studio annotation; without choices it was submitted empty."""
    result = (
        [{"type": "choices", "from_name": "choice", "to_name": "image", "value": {"choices": list(choices)}}] if choices else []
    )
    return {"completed_by": who, "was_cancelled": cancelled, "updated_at": at, "result": result}


def item(key: str, **fields: Any) -> Item:
    """A row of the ledger: the first image of `<key>.pdf`, kept."""
    known: dict[str, Any] = {
        "source": f"{key}.pdf",
        "page": 0,
        "index": 0,
        "status": "kept",
        "image_sha256": f"sha-{key}",
        "image": f"{key}.jpg",
    }
    return Item(key=key, **known | fields)


LEDGER = [
    *(item(key, image_sha256=f"sha-{min(key, 'c')}") for key in KEYS),
    item("z", source="a.pdf", page=1, status="repeat", reason="equals a", image=None, image_sha256="sha-a"),
]


def imported(
    folder: Path, exports: dict[str, str], ledger: list[Item] = LEDGER, in_tables: Sequence[str] = (), **parameters: Any
) -> tuple[dict[str, Label], dict[str, Any]]:
    """Run the stage on these exports and a ledger, by default of a, b, c and d (d equal to c)."""
    write_table(folder / "items.csv", Item, ledger)
    (folder / "annotations").mkdir(exist_ok=True)
    for name, content in exports.items():
        (folder / "annotations" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "annotations" / name).write_text(content, encoding="utf-8")
    (folder / "table_labels.csv").write_text("\n".join(["key,label", *in_tables]) + "\n", encoding="utf-8")
    import_labels(folder / "items.csv", folder / "annotations", *(folder / name for name in FILES), **PARAMETERS | parameters)
    return {row.key: row for row in read_table(folder / "labels.csv", Label)}, json.loads((folder / "labels.json").read_text())


def names(found: list[dict[str, Any]]) -> list[str]:
    return [entry["key"] for entry in found]


def test_one_vote_is_a_label(tmp_path: Path) -> None:
    labels, report = imported(tmp_path, {"e.json": ecotag(("2", "a", "cat"))})
    assert labels == {"a": Label("a", "cat", 1, 1.0)}
    assert names(report["unlabelled"]) == ["b", "c", "d"]
    assert report["warnings"] == [f"no image has the label {label}: the model will not know it" for label in ("dog", "other")]


def test_the_same_annotator_twice_is_one_vote_or_a_conflict(tmp_path: Path) -> None:
    votes = [("2", "a", "cat"), ("2", "a", "cat"), ("2", "b", "cat"), ("2", "b", "dog"), ("3", "b", "dog")]
    labels, report = imported(tmp_path, {"e.json": ecotag(*votes)})
    assert labels["a"].votes == 1
    assert report["conflict"] == [{"key": "b", "votes": {"cat": 1, "dog": 2}}]


def test_a_majority_decides_and_a_tie_does_not(tmp_path: Path) -> None:
    votes = [("1", "a", "cat"), ("2", "a", "cat"), ("3", "a", "dog"), ("1", "b", "cat"), ("2", "b", "dog")]
    labels, report = imported(tmp_path, {"e.json": ecotag(*votes)})
    assert (labels["a"].label, labels["a"].votes, labels["a"].agreement) == ("cat", 3, 0.6667)
    assert report["dissent"] == [{"key": "a", "votes": {"cat": 2, "dog": 1}}]
    assert report["tie"] == [{"key": "b", "votes": {"cat": 1, "dog": 1}}]


def test_fewer_votes_than_asked_for_are_incomplete(tmp_path: Path) -> None:
    labels, report = imported(tmp_path, {"e.json": ecotag(("1", "a", "cat"), ("1", "b", "dog"), ("2", "b", "dog"))}, min_votes=2)
    assert list(labels) == ["b"]
    assert names(report["incomplete"]) == ["a"]


def test_orphans_are_listed_with_what_became_of_the_image(tmp_path: Path) -> None:
    _, report = imported(tmp_path, {"e.json": ecotag(("1", "a", "cat"), ("1", "gone", "dog"), ("1", "z", "cat"))})
    assert [(entry["name"], entry["image"], entry["label"]) for entry in report["orphan"]] == [
        ("gone.png", "absent", "dog"),
        ("z.png", "repeat", "cat"),
    ]


def test_equal_images_with_different_labels_are_named(tmp_path: Path) -> None:
    _, report = imported(tmp_path, {"e.json": ecotag(("1", "c", "cat"), ("1", "d", "dog"))})
    assert report["duplicate"] == [{"labels": {"c": "cat", "d": "dog"}}]


def test_votes_of_several_exports_count_together(tmp_path: Path) -> None:
    exports = {
        "1.json": ecotag(("1", "a", "cat")),
        "2.json": json.dumps([task(1, "a", annotation(1, "dog")), task(2, "b", annotation(1, "dog"))]),
        "3.csv": "file;label;annotator\na.jpg;cat;eve\nb.jpg;dog;eve\n",
    }
    labels, _ = imported(tmp_path, exports)
    assert (labels["a"].label, labels["a"].votes) == ("cat", 3)
    assert labels["b"].votes == 2


def test_feedback_of_the_service_counts_for_the_image_of_that_content(tmp_path: Path) -> None:
    feedback = "key,sha256,label,annotator\n5f2d5a0c,sha-b,dog,feedback eve\n"
    labels, _ = imported(tmp_path, {"5f2d5a0c.csv": feedback})
    assert (labels["b"].label, labels["b"].votes) == ("dog", 0)  # no annotator's vote


def test_feedback_that_differs_is_listed_and_no_loss(tmp_path: Path) -> None:
    feedback = "key,sha256,label,annotator\n1,sha-a,dog,feedback eve\n"
    labels, report = imported(
        tmp_path, {"1.csv": feedback, "e.json": ecotag(("1", "a", "cat"))}, tolerated=dict.fromkeys(LOSSES, 0.9)
    )
    assert (labels["a"].label, labels["a"].votes, labels["a"].agreement) == ("cat", 1, 1.0)
    assert report["feedback"] == [{"key": "a", "label": "cat", "feedback": {"dog": 1}}]
    assert report["tie"] == report["conflict"] == []


def test_label_studio_answers_that_are_no_votes(tmp_path: Path) -> None:
    drafted = task(4, "d") | {"drafts": [{"result": []}]}
    predicted = task(3, "c") | {"predictions": [{"result": annotation(1, "cat")["result"]}]}
    tasks = [
        task(1, "a", annotation(1, "cat", cancelled=True)),
        task(2, "b", annotation(1), annotation(2, "dog")),
        predicted,
        drafted,
    ]
    labels, report = imported(tmp_path, {"e.json": json.dumps(tasks)})
    assert list(labels) == ["b"]
    assert (names(report["skipped"]), names(report["empty"]), names(report["in_progress"])) == (["a"], ["b"], ["d"])
    assert names(report["unlabelled"]) == ["a", "c", "d"]


def test_label_studio_counts_the_latest_answer_of_a_person(tmp_path: Path) -> None:
    answers = [annotation(1, "cat", at="2026-02-02"), annotation(1, "dog", at="2026-01-01")]
    labels, _ = imported(tmp_path, {"e.json": json.dumps([task(1, "a", *answers)])})
    assert labels["a"].label == "cat"


def test_a_later_export_corrects_an_earlier_one(tmp_path: Path) -> None:
    exports = {
        f"{month}.json": json.dumps([task(1, "a", annotation(1, label, at=at))])
        for month, label, at in (("feb", "dog", "02"), ("jan", "cat", "01"))
    }
    labels, report = imported(tmp_path, exports)
    assert labels["a"].label == "dog"
    assert report["conflict"] == []


def test_a_newer_pull_of_a_project_replaces_the_older_one(tmp_path: Path) -> None:
    """Ecotag's dates do not change with an edit: the file's name says which is newer."""
    exports = {
        "ecotag-quire-20260101T000000Z-ffffffff.json": ecotag(("1", "a", "cat"), ("1", "b", "dog")),
        "ecotag-quire-20260102T000000Z-00000000.json": ecotag(("1", "a", "dog"), ("1", "b", "dog")),
        "ecotag-quire-unsure-12345678-20250101T000000Z-00000000.json": ecotag(("1", "c", "cat")),
        "label-studio-quire-20260103T000000Z-00000000.json": json.dumps([task(1, "d", annotation(1, "dog"))]),
    }
    labels, report = imported(tmp_path, exports)
    assert {key: row.label for key, row in labels.items()} == {"a": "dog", "b": "dog", "c": "cat", "d": "dog"}
    assert (report["conflict"], report["superseded"]) == ([], ["ecotag-quire-20260101T000000Z-ffffffff.json"])


def test_a_later_answer_in_another_ecotag_project_counts_and_two_in_one_are_a_conflict(tmp_path: Path) -> None:
    asked_again = json.loads(ecotag(("1", "a", "dog"), ("1", "b", "cat"), ("1", "b", "dog")))
    for row in asked_again["annotations"]:
        row["createDate"] += 10**12
    labels, report = imported(tmp_path, {"e.json": json.dumps(asked_again), "f.json": ecotag(("1", "a", "cat"), ("1", "b", "cat"))})
    assert {key: row.label for key, row in labels.items()} == {"a": "dog"}
    assert names(report["conflict"]) == ["b"]


def test_every_vote_is_kept_with_a_pseudonym_a_place_and_a_date(tmp_path: Path) -> None:
    imported(
        tmp_path, {"e.json": ecotag(("9", "b", "dog"), ("2", "a", "cat")), "f.csv": "file,label,annotator\na,cat,eve@example.com\n"}
    )
    given = read_table(tmp_path / "votes.csv", Given)
    assert given == [
        Given("a", "cat", "annotator 3", "f.csv", "line 2", None),
        Given("a", "cat", "annotator 1", "e.json", "annotations[1]", "2024-01-20T11:20:51.105442"),
        Given("b", "dog", "annotator 2", "e.json", "annotations[0]", "2024-01-20T11:20:51.105442"),
    ]


def test_labels_and_report_name_nobody_and_do_not_depend_on_the_pseudonyms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"{key},{label},eve@example.com\n" for key, label in [("a", "cat"), ("b", "cat"), ("b", "dog"), ("y", "dog")])
    exports = {"e.csv": f"file,label,annotator\n{rows}"}
    written = {}
    for kind in ("numbered", "keyed"):
        monkeypatch.setenv("QUIRE_PSEUDONYM_KEY", "k" * 32)
        imported(tmp_path, exports, pseudonyms=kind)
        written[kind] = [(tmp_path / name).read_text() for name in OUTPUTS]
        assert not any("eve" in text for text in written[kind])
    assert written["numbered"][0] == written["keyed"][0]
    assert written["numbered"][1] != written["keyed"][1]
    assert written["numbered"][2] == written["keyed"][2]


def test_the_classes_that_occur_are_taken_where_none_are_listed(tmp_path: Path) -> None:
    strange = ["label", "key", "fold", "a|b", "Golden Retriever", "auto"]
    ledger = [item(f"x{number}") for number in range(len(strange))]
    content = "file,label\n" + "".join(f"x{number},{label}\n" for number, label in enumerate(strange))
    labels, report = imported(tmp_path, {"e.csv": content}, ledger, classes="auto")
    assert [labels[row.key].label for row in ledger if row.key] == strange
    assert report["classes"] == dict.fromkeys(sorted(strange), 1)
    assert report["warnings"] == []


def test_labels_are_renamed_and_merged_before_they_are_counted(tmp_path: Path) -> None:
    votes = [("1", "a", "tabby"), ("2", "a", "cat"), ("1", "b", "siamese"), ("1", "c", "dog")]
    mapping = {"tabby": "cat", "siamese": "cat", "lynx": "cat"}
    labels, report = imported(tmp_path, {"e.json": ecotag(*votes)}, mapping=mapping, classes=["cat", "dog"])
    assert {key: (row.label, row.votes, row.agreement) for key, row in labels.items()} == {
        "a": ("cat", 2, 1.0),
        "b": ("cat", 1, 1.0),
        "c": ("dog", 1, 1.0),
    }
    assert report["renamed"] == {old: {"to": "cat", "votes": old != "lynx"} for old in mapping}
    assert report["warnings"] == ["import_labels.mapping renames lynx, which nobody said"]


def test_an_image_file_goes_by_its_key_or_its_path(tmp_path: Path) -> None:
    files = [item(f"{folder}__x.jpg", source=f"{folder}/x.jpg", page=None, index=None) for folder in ("cats", "dogs", "others")]
    content = "file,label\ncats__x.jpg,cat\ndogs/x.jpg,dog\nC:\\mine\\others\\x.jpg,other\nx.jpg,cat\n"
    labels, report = imported(tmp_path, {"e.csv": content}, files)
    assert {key: row.label for key, row in labels.items()} == {"cats__x.jpg": "cat", "dogs__x.jpg": "dog", "others__x.jpg": "other"}
    (orphan,) = report["orphan"]
    assert (orphan["name"], orphan["image"], orphan["candidates"]) == ("x.jpg", "one of several", [row.key for row in files])


def test_a_label_does_not_move_when_a_namesake_comes(tmp_path: Path) -> None:
    """People saw a/x.pdf's image under the name that it had then; later another x.pdf comes."""
    seen, other = item("a__x_page0_index0", source="a/x.pdf"), item("z_page0_index0", source="z.pdf")
    exports = {"e.csv": "file,label\nx_page0_index0.jpg,cat\nz_page0_index0.jpg,other\n"}
    labels, _ = imported(tmp_path, exports, [seen, other])
    assert labels["a__x_page0_index0"].label == "cat"
    for newcomer in (item("x_page0_index0", source="x.pdf"), item("b__x_page0_index0", source="b/x.pdf")):
        labels, report = imported(tmp_path, exports, [seen, other, newcomer])
        assert list(labels) == ["z_page0_index0"]
        assert sorted(report["orphan"][0]["candidates"]) == sorted([str(seen.key), str(newcomer.key)])


@pytest.mark.parametrize("status", ["repeat", "rejected"])
def test_a_label_of_an_image_that_is_not_kept_goes_to_no_other(tmp_path: Path, status: str) -> None:
    lost = item("20240101-scan_page3_index0", status=status, image=None)
    ledger = [item("20240101-scan_page0_index0"), lost, item("scan_page3_index0")]
    for image in ("s3://b/20240101-scan_page3_index0.png", "/data/upload/1/20240101-scan_page3_index0.png"):
        tasks = [task(1, "", annotation(1, "dog"), image=image), task(2, "20240101-scan_page0_index0", annotation(1, "cat"))]
        labels, report = imported(tmp_path, {"e.json": json.dumps(tasks)}, ledger)
        assert list(labels) == ["20240101-scan_page0_index0"]
        assert [entry["image"] for entry in report["orphan"]] == [status]


def test_a_name_that_begins_like_an_upload_is_found_as_it_is(tmp_path: Path) -> None:
    url = "https://bucket/000edd72-8c4b_page0%5Findex0.png?X-Amz-Date=1"
    content = json.dumps([task(1, "x", annotation(1, "cat"), image=url)])
    labels, _ = imported(tmp_path, {"e.json": content}, [item("000edd72-8c4b_page0_index0")])
    assert list(labels) == ["000edd72-8c4b_page0_index0"]


def test_a_spreadsheets_csv_is_read(tmp_path: Path) -> None:
    labels, report = imported(tmp_path, {"e.csv": '\ufefffile;label\r\na.png;cat\r\n"b.png";dog\r\n;\r\n'})
    assert {key: row.label for key, row in labels.items()} == {"a": "cat", "b": "dog"}
    assert report["empty"] == []


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_as_excel_and_others_write_it(tmp_path: Path, table: str, encoding: str) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "t.csv").write_bytes(table.encode(encoding))
    labels, _ = imported(tmp_path, {})
    assert {key: row.label for key, row in labels.items()} == {"a": "cat"}


def test_a_table_in_another_encoding_says_how_to_save_it(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "t.csv").write_bytes("file,label\né.png,cat\n".encode("cp1252"))
    with pytest.raises(BadInput, match=r"t\.csv: not UTF-8 text: .*save it as UTF-8"):
        imported(tmp_path, {})


def test_people_who_were_deleted_are_people(tmp_path: Path) -> None:
    gone = [annotation(1, label) | {"completed_by": None, "id": number} for number, label in enumerate(["cat", "cat", "dog"])]
    labels, _ = imported(tmp_path, {"e.json": json.dumps([task(1, "a", *gone)])})
    assert (labels["a"].label, labels["a"].votes) == ("cat", 3)


def test_a_person_without_an_id_is_an_error(tmp_path: Path) -> None:
    nameless = annotation(1, "cat") | {"completed_by": {"email": "eve@example.com"}}
    with pytest.raises(BadInput, match=r"e.json: \[0\].annotations\[0\].completed_by"):
        imported(tmp_path, {"e.json": json.dumps([task(1, "a", nameless)])})


def test_label_studio_two_choices_are_a_conflict(tmp_path: Path) -> None:
    tasks = [task(1, "a", annotation(1, "cat", "dog")), task(2, "b", annotation(1, "dog"))]
    _, report = imported(tmp_path, {"e.json": json.dumps(tasks)})
    assert names(report["conflict"]) == ["a"]


def test_label_studio_finds_the_image_by_content_then_by_name(tmp_path: Path) -> None:
    renamed = task(1, "renamed", annotation(1, "cat"), sha256="sha-a", file_name="renamed.png")
    changed = task(2, "x_y", annotation(1, "dog"), sha256="sha-a", file_name="b.png")
    uploaded = task(3, "c", annotation(1, "other"))
    labels, report = imported(tmp_path, {"e.json": json.dumps([renamed, changed, uploaded])})
    assert {key: row.label for key, row in labels.items()} == {"a": "cat", "c": "other"}
    assert [(entry["name"], entry["image"], entry["candidates"]) for entry in report["orphan"]] == [
        ("b.png", "of another content", ["b", "a"])
    ]


def test_label_studio_merges_two_tasks_of_one_image(tmp_path: Path) -> None:
    tasks = [task(number, "a", annotation(number, "cat"), sha256="sha-a") for number in (1, 2)]
    labels, report = imported(tmp_path, {"e.json": json.dumps(tasks)})
    assert labels["a"].votes == 2
    assert report["warnings"][0] == "e.json: tasks 1, 2 are one image; their votes are merged"


def test_an_archived_ecotag_export_has_pascal_case_keys(tmp_path: Path) -> None:
    archived = {key[0].upper() + key[1:]: value for key, value in json.loads(ecotag(("1", "a", "cat"))).items()}
    labels, _ = imported(tmp_path, {"e.json": json.dumps(archived)})
    assert labels["a"].label == "cat"


def test_counts_that_differ_from_the_rows_are_a_warning(tmp_path: Path) -> None:
    _, report = imported(tmp_path, {"e.json": ecotag(("1", "a", "cat"), numberAnnotationsDone=7)})
    assert report["warnings"][0] == "e.json: numberAnnotationsDone is 7, its rows are 1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ecotag(("1", "a", "bird")), r"annotations: 1 unknown_label: a.png \(bird, e.json annotations\[0\]\); tolerated are 0"),
        (ecotag(projectType="NamedEntity"), "e.json: projectType: .*'ImageClassifier', not \"NamedEntity\""),
        (
            ecotag().replace("[]", '[{"nameIdentifier": "1", "fileName": "a.png"}]'),
            r"e.json: annotations\[0\].annotation: Field required",
        ),
        ("{", "e.json: not JSON: .*line 1"),
        ("{}", "e.json: projectType: Field required"),
        ("name,kind\na,cat\n", "e.json: no Ecotag JSON, no Label Studio JSON, and no CSV whose header"),
        ("key,label\n,cat\n", "e.json: line 2: neither key nor file"),
        ("", "e.json: no Ecotag JSON"),
        (
            json.dumps([task(1, "a", annotation(1, "cat") | {"result": [{"type": "choices", "value": {"choices": "cat"}}]})]),
            "valid list",
        ),
        (
            json.dumps([{"image": "a.png", "id": 1, "choice": "cat", "annotation_id": 1}]),
            "JSON-MIN, .* export as JSON",
        ),
        ("annotation_id,annotator,choice,id,image,lead_time\n1,1,cat,1,a.png,1\n", "e.json: Label Studio's CSV, .* export as JSON"),
        (json.dumps({"images": [], "categories": [], "annotations": []}), "e.json: COCO, .* export as JSON"),
        (json.dumps({"id": 1, "result": [], "task": {}}), "e.json: one annotation out of a storage .* as JSON"),
        (json.dumps(task(1, "a")), "e.json: one task of Label Studio's: export the project as JSON"),
        (f"{json.dumps(task(1, 'a'))}\n{json.dumps(task(2, 'b'))}", "e.json: not JSON: .*; of JSON lines make one list"),
        ("[" * 100_000, "e.json: not JSON: "),
        ('{"a": ' + "1" * 5000 + "}", "e.json: not JSON: "),
        ("key,label\n" + "a" * 200_000 + ",cat\n", "e.json: not CSV: field larger than field limit"),
        (json.dumps([{"id": 1, "data": {}, "annotations": []}]), "e.json: task 1: data has neither file_name nor image"),
        (ecotag(("1", "gone", "cat")), r"no label for any of the 4 images; 4 unlabelled \(a, b, c, d\), 1 orphan \(gone.png"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_it(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        imported(tmp_path, {"e.json": content}, tolerated=LENIENT | {"unknown_label": 0.0})


def test_more_than_the_tolerated_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"3 unlabelled: b, c, d; tolerated are 2 \(import_labels.tolerated.unlabelled: 0.5 of 4 images\)"
    ):
        imported(tmp_path, {"e.json": ecotag(("1", "a", "cat"))}, tolerated=LENIENT | {"unlabelled": 0.5})
    assert not (tmp_path / "labels.csv").exists()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"classes": ["cat"]}, r"import_labels.classes: \['cat'\] are too few"),
        ({"classes": ["cat", "cat"]}, "names a class twice"),
        ({"classes": ["cat", "unsure"]}, "classes: a class may not be called 'unsure': the service says so"),
        ({"classes": ["cat", ""]}, "classes: '' is no name of a class"),
        ({"classes": ["cat", "d\tog"]}, r"classes: 'd\\tog' is no name of a class"),
        ({"classes": "auto", "mapping": {"cat": "unsure"}}, "mapping: cat: a class may not be called 'unsure'"),
        ({"mapping": {"cat": "lion"}}, "mapping: cat: 'lion' is none of the classes cat, dog, other"),
        ({"tolerated": {"tie": 1.0}}, "import_labels.tolerated: conflict is missing"),
    ],
)
def test_a_wrong_parameter_is_named(tmp_path: Path, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        imported(tmp_path, {"e.json": ecotag(("1", "a", "cat"))}, **parameters)


def test_a_label_that_no_class_may_have_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"e.json: annotations\[1\]: a class may not be called 'unsure'"):
        imported(tmp_path, {"e.json": ecotag(("1", "b", "cat"), ("1", "a", "unsure"))}, classes="auto")


def test_labels_that_stand_in_the_tables_count_beside_exports_or_alone(tmp_path: Path) -> None:
    rows = [item(f"t__{n}", source="t.csv", row=n, image=None, image_sha256=None) for n in range(3)]
    alone, _ = imported(tmp_path, {}, rows, ["t__0,1", "t__1,5"], classes="auto", mapping={"1": "cat", "5": "dog"})
    assert {key: row.label for key, row in alone.items()} == {"t__0": "cat", "t__1": "dog"}
    beside, _ = imported(tmp_path, {"a.csv": "key,label\n2,cat\n1,cat\n"}, rows, ["t__0,dog", "t__1,cat"])
    assert {key: (row.label, row.votes) for key, row in beside.items()} == {
        "t__0": ("dog", 1),
        "t__1": ("cat", 1),
        "t__2": ("cat", 1),
    }


def test_the_real_export(tmp_path: Path, real_pdfs: Path, real_export: Path) -> None:
    extract(real_pdfs, *extracted_into(tmp_path), **BOUNDS)
    ledger = read_table(tmp_path / "items.csv", Item)
    for classes in (["cat", "dog", "other"], "auto"):
        _, report = imported(tmp_path, {real_export.name: real_export.read_text()}, ledger, classes=classes)
        assert report["classes"] == {"cat": 46, "dog": 57, "other": 39}
        assert (len(report["unlabelled"]), report["orphan"]) == (5, [])
