import sqlite3

import pytest

from labelling.choose import all_images, choose
from labelling.errors import LabellingError
from labelling.push import round_name
from quire.items.tables import Prediction, pack
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
        "data/split.csv",
        "key,set,fold\na_page0_index0,test,\nf_page0_index0,test,\nc_page0_index0,train,0\nd_page0_index0,validation,1\n",
    )
    folder.write(
        "data/labels.csv",
        "key,label,votes,agreement\n" + "".join(f"{document}_page0_index0,cat,1,1.0\n" for document in "acdf"),
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


@pytest.mark.parametrize("name", ["dog", "unfamiliarity", "label", "key", "fold", "a|b", "Golden Retriever"])
def test_disagreement_is_where_the_cross_validated_model_says_something_else(folder: Folder, name: str) -> None:
    """Whatever the classes are called: no name is taken for a column."""
    said = {"a": name, "b": name, "c": name, "d": "cat", "f": name}
    rows = [
        Prediction(
            key=f"{document}_page0_index0",
            fold=0,
            label="cat",
            prediction=prediction,
            decision="unsure",
            confidence=0.6,
            unfamiliarity=9.0,
            probabilities=pack([0.4, 0.6] if prediction == name else [0.6, 0.4]),
        )
        for document, prediction in said.items()
    ]
    folder.predict("reports/out_of_fold.csv", *rows)
    assert chosen("disagreement") == ["c0"]


def test_unsure_is_what_the_model_said_in_the_evaluation_or_last_in_the_service(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"a1": "unsure", "b1": "unsure", "c3": "unsure", "d2": "cat", "f1": "unsure"}  # b holds an image of a, a test document
    rows = [Prediction(key=f"{name[0]}_page{name[1]}_index0", prediction="cat", decision=said[name]) for name in said]
    folder.predict("reports/predictions.csv", *rows)
    assert chosen("unsure") == ["c3"]
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
    assert chosen("unsure") == ["c1", "c3"]
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
