import pytest

from labelling.parameters import PALETTE, read_parameters
from quire.command import BadInput
from tests.labelling.conftest import Folder
from tests.labelling.ecotag_server import State


def change(folder: Folder, old: str, new: str) -> None:
    text = (folder.path / "params.yaml").read_text()
    assert old in text
    folder.write("params.yaml", text.replace(old, new))


COLOURS = 'colours: {dog: "#00f", cat: "#FF0000", other: "#999999"}'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("team: Quire-Team", "tem: x", "params.yaml: labelling.team is missing"),
        ("team: Quire-Team", "team: x y z", "params.yaml: labelling.team: String should match pattern '.*', not 'x y z'"),
        ("#999999", "grey", "params.yaml: labelling.colours.other: String should match pattern '.*', not 'grey'"),
        ("cross_annotation: 1", "cross_annotation: 11", "labelling.cross_annotation: .* less than or equal to 10, not 11"),
        ("[cat, dog, other]", "[cat, dog]", "params.yaml: labelling.colours: other is none of the classes cat, dog"),
        ("[cat, dog, other]", "[cat, unsure]", "import_labels.classes: a class may not be called 'unsure'"),
        ("[cat, dog, other]", "[cat, 1]", "params.yaml: import_labels.classes.1: Input should be a valid string, not 1"),
        ("classes: [cat, dog, other]", "clases: auto", "params.yaml: import_labels.classes: .* valid list, not None"),
        ("labelling:", "label:", "params.yaml: the block 'labelling' is missing"),
        ("labelling:", "labelling", "params.yaml: .* line "),
    ],
)
def test_a_wrong_parameter_is_named(folder: Folder, old: str, new: str, message: str) -> None:
    change(folder, old, new)
    with pytest.raises(BadInput, match=message):
        read_parameters()


def test_the_colours_have_the_order_of_the_classes(folder: Folder) -> None:
    assert list(read_parameters().colours.items()) == [("cat", "#FF0000"), ("dog", "#00f"), ("other", "#999999")]


def test_a_class_without_a_colour_is_dealt_one_that_no_other_has(folder: Folder) -> None:
    change(folder, COLOURS, f'colours: {{dog: "{PALETTE[0].upper()}"}}')
    assert read_parameters().colours == {"cat": PALETTE[1], "dog": PALETTE[0].upper(), "other": PALETTE[2]}
    change(folder, f'  colours: {{dog: "{PALETTE[0].upper()}"}}\n', "")
    assert list(read_parameters().colours.values()) == PALETTE[:3]
    many = [f"class {number}" for number in range(30)]
    change(folder, "[cat, dog, other]", str(many))
    assert list(read_parameters().colours) == many
    assert len(set(list(read_parameters().colours.values())[:20])) == 20


def test_classes_that_are_taken_as_they_occur_are_those_of_the_labels(folder: Folder) -> None:
    change(folder, "[cat, dog, other]", "auto")
    folder.write("data/labels.csv", "key,label,votes,agreement\na,dog,1,1.0\nb,cat,1,1.0\nc,other,1,1.0\nd,cat,1,1.0\n")
    assert list(read_parameters().colours) == ["cat", "dog", "other"]


def test_before_the_first_label_the_classes_must_be_listed(ecotag: State, folder: Folder) -> None:
    change(folder, "[cat, dog, other]", "auto")
    message = "params.yaml: import_labels.classes is auto and data/labels.csv holds no label yet: list the classes"
    assert folder.run("push", "--tool", "ecotag").stderr == f"push: error: {message}\n"
    assert ecotag.calls == []
    assert "no project quire among those" in folder.run("pull", "--tool", "ecotag").stderr
