import sqlite3

import pytest

from labelling.choose import all_images, choose
from labelling.errors import LabellingError
from labelling.parameters import read_parameters
from labelling.push import round_name
from tests.conftest import Encode
from tests.labelling.conftest import Folder


def chosen(only: str) -> list[str]:
    return [image.key.replace("_page", "").replace("_index0", "") for image in choose(only)]


@pytest.fixture(autouse=True)
def split(folder: Folder) -> None:
    """The documents a and f are tested; a0 and b0 have one content."""
    images = {path.name: path.read_bytes() for path in sorted((folder.path / "data" / "images").iterdir())}
    images["b_page0_index0.jpg"] = images["a_page0_index0.jpg"]
    folder.keep(images)
    folder.write(
        "data/split.csv", "key,set\na_page0_index0,test\nf_page0_index0,test\nc_page0_index0,train\nd_page0_index0,validation\n"
    )
    folder.write(
        "data/labels.csv",
        "key,label,votes,agreement,annotators,source\n"
        + "".join(f"{document}_page0_index0,cat,1,1.0,ecotag:2,e.json\n" for document in "acdf"),
    )


def test_without_a_choice_all_that_is_kept_goes() -> None:
    images = all_images()
    assert len(images) == 24
    assert (images[0].key, images[0].name, images[0].size) == (
        "a_page0_index0",
        "a_page0_index0.jpg",
        images[0].path.stat().st_size,
    )


def test_an_image_that_is_not_the_ledgers_is_named(folder: Folder) -> None:
    (folder.path / "data/images/c_page0_index0.jpg").write_bytes(b"changed")
    with pytest.raises(LabellingError, match=r"c_page0_index0.jpg is not the file that data/items.csv names: `dvc repro extract`"):
        all_images()
    (folder.path / "data/images/c_page0_index0.jpg").unlink()
    with pytest.raises(LabellingError, match=r"c_page0_index0.jpg is not there"):
        all_images()


def test_unlabelled_is_what_has_no_label_whatever_set_its_document_is_in(folder: Folder) -> None:
    assert chosen("unlabelled")[:4] == ["a1", "a2", "a3", "b0"]
    assert len(chosen("unlabelled")) == 20
    (folder.path / "data/labels.csv").unlink()
    assert len(chosen("unlabelled")) == 24


def test_disagreement_is_where_the_cross_validated_model_says_something_else(folder: Folder) -> None:
    rows = [("a", 0.1, 0.9), ("b", 0.1, 0.9), ("c", 0.4, 0.6), ("d", 0.9, 0.1), ("f", 0.1, 0.9)]
    folder.write(
        "model/out_of_fold.csv",
        "key,fold,label,cat,dog\n" + "".join(f"{name}_page0_index0,0,cat,{cat},{dog}\n" for name, cat, dog in rows),
    )
    assert chosen("disagreement") == ["c0"]


def test_unsure_is_what_the_model_said_in_the_evaluation_or_last_in_the_service(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"a1": "unsure", "b1": "unsure", "b2": "cat", "f1": "unsure"}
    lines = [f"{name[0]}_page{name[1]}_index0,,,cat,{decision},0.5\n" for name, decision in said.items()]
    folder.write("reports/predictions.csv", "key,set,label,prediction,decision,confidence\n" + "".join(lines))
    assert chosen("unsure") == ["b1"]
    hash_of = {image.key: image.sha256 for image in all_images()}
    (folder.path / "feedback").mkdir()
    with sqlite3.connect("feedback/answers.db") as database:
        database.execute("CREATE TABLE answers (id TEXT PRIMARY KEY, time REAL, sha256 TEXT, decision TEXT)")
        answers = [("c1", 1, "unsure"), ("c2", 1, "unsure"), ("c2", 2, "cat"), ("a2", 1, "unsure"), ("b0", 1, "unsure")]
        for number, (name, time, decision) in enumerate(answers):
            sha256 = hash_of[f"{name[0]}_page{name[1]}_index0"]
            database.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", (str(number), time, sha256, decision))
        database.execute("INSERT INTO answers VALUES ('x', 1, 'elsewhere', 'unsure')")
    database.close()
    assert chosen("unsure") == ["b1", "c1"]
    assert "unsure about 1 images that are not in data/items.csv" in capsys.readouterr().out


def test_feedback_is_where_people_sent_another_label_or_the_first(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    hash_of = {image.key: image.sha256 for image in all_images()}
    sent = {"c_page0_index0": "cat", "d_page0_index0": "dog", "e_page0_index0": "cat", "f_page0_index0": "dog"}
    for number, (key, label) in enumerate(sent.items()):
        folder.write(f"elsewhere/{number}.csv", f"key,sha256,label,annotator\n{number},{hash_of[key]},{label},feedback eve\n")
    assert chosen("feedback") == []
    monkeypatch.setenv("QUIRE_STORE", "elsewhere")
    assert chosen("feedback") == ["d0", "e0"]


@pytest.mark.parametrize("only", ["unsure", "disagreement"])
def test_before_the_first_training_the_missing_file_is_named(only: str) -> None:
    with pytest.raises(LabellingError, match=r"(predictions|out_of_fold).csv is not there: `dvc repro` makes it"):
        choose(only)


def test_a_round_is_named_by_what_was_chosen(folder: Folder, make_image: Encode) -> None:
    images = choose("unlabelled")
    assert round_name("quire", "unlabelled", images) == round_name("quire", "unlabelled", images[::-1])
    assert round_name("quire", "unlabelled", images) != round_name("quire", "unlabelled", images[1:])
    assert len(round_name("q" * 26, "disagreement", images)) == 48


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("team: Quire-Team", "tem: x"), "params.yaml: labelling.team is missing"),
        (("team: Quire-Team", "team: x y z"), "params.yaml: labelling.team: String should match pattern '.*', not 'x y z'"),
        (("#999999", "grey"), "params.yaml: labelling.colours.other: String should match pattern '.*', not 'grey'"),
        (("cross_annotation: 1", "cross_annotation: 11"), "labelling.cross_annotation: .* less than or equal to 10, not 11"),
        (
            ("[cat, dog, other]", "[cat, dog]"),
            "params.yaml: other stands in only one of import_labels.classes and labelling.colours",
        ),
        (("labelling:", "label:"), "params.yaml: the block labelling or import_labels.classes is missing"),
        (("labelling:", "labelling"), "params.yaml: .* line "),
    ],
)
def test_a_wrong_parameter_is_named(folder: Folder, change: tuple[str, str], message: str) -> None:
    folder.write("params.yaml", (folder.path / "params.yaml").read_text().replace(*change))
    with pytest.raises(LabellingError, match=message):
        read_parameters()
