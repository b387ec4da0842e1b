import pytest

from quire.command import BadInput
from quire.items.annotations.classes import by_class, check_classes, check_name, renamed
from quire.items.annotations.votes import Vote


def votes(*labels: str) -> list[Vote]:
    return [
        Vote(name="a", annotator="1", label=label, source="e.csv", place=f"line {line}")
        for line, label in enumerate(labels, start=2)
    ]


def labels(found: list[Vote]) -> list[str]:
    return [vote.label for vote in found]


@pytest.mark.parametrize(
    "name", ["label", "key", "fold", "a|b", "Golden Retriever", "auto", "Unsure", "猫", "caf\u00e9", "🐈", "1"]
)
def test_a_class_may_have_any_name_that_can_be_read(name: str) -> None:
    check_name(name, "here")


@pytest.mark.parametrize("name", ["unsure", "", " ", " cat", "cat\n", "a\tb", "a\0b", "a\u2028b", "\ud800", "cafe\u0301"])
def test_the_services_own_word_and_what_cannot_be_read_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match=r"^here: "):
        check_name(name, "here")


def test_two_classes_are_the_least() -> None:
    check_classes(["cat", "dog"], {"tabby": "cat"})
    check_classes("auto", {"tabby": "anything"})
    with pytest.raises(BadInput, match="are too few"):
        check_classes(["cat"], {})


def test_a_mapping_is_applied_once() -> None:
    assert labels(renamed(votes("a", "b", "c"), {"a": "b", "b": "a"})) == ["b", "a", "c"]


def test_labels_are_the_same_however_they_are_composed() -> None:
    assert labels(renamed(votes("cafe\u0301", " caf\u00e9 ", "cafe"), {})) == ["caf\u00e9", "caf\u00e9", "cafe"]
    assert labels(renamed(votes("caf\u00e9"), {"cafe\u0301": "bar"})) == ["bar"]


def test_votes_for_other_classes_are_set_apart() -> None:
    known, unknown = by_class(votes("cat", "bird", "dog"), ["cat", "dog"])
    assert (labels(known), labels(unknown)) == (["cat", "dog"], ["bird"])
    known, unknown = by_class(votes("cat", "bird"), "auto")
    assert (labels(known), labels(unknown)) == (["cat", "bird"], [])


def test_the_first_place_of_a_bad_name_is_said() -> None:
    with pytest.raises(BadInput, match=r"^e.csv: line 3: a class may not be called 'unsure'"):
        by_class(votes("cat", "unsure", "unsure"), "auto")
