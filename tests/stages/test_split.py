import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from quire.command import BadInput
from quire.items.groups import Group, assign, by_group
from quire.items.tables import Assignment, Item, Label, SetName, read_table, write_table
from stages.split import split

RATIOS: dict[SetName, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
LABELS = ("cat", "dog", "other")


def written(
    tmp_path: Path, documents: dict[str, int], frozen: str = "key,set\n", by_feedback: str = "", **parameters: Any
) -> dict[str, Assignment]:
    """Split documents of so many images each, labels in turn; an image's key is `<document>_<number>`. Twins are one group.

    Of keys with that ending only feedback gave the label.
    """
    items, labels = [], []
    for document, count in documents.items():
        group = "twins" if document.startswith("twin") else document
        for number in range(count):
            key = f"{document}_{number}"
            items.append(Item(key=key, source=document, page=number, index=0, status="kept", image=f"{key}.jpg", group=group))
            votes = 0 if by_feedback and key.endswith(by_feedback) else 1
            labels.append(Label(key, LABELS[(number + len(items)) % 3], votes, 1.0))
    write_table(tmp_path / "items.csv", Item, items)
    write_table(tmp_path / "labels.csv", Label, labels)
    (tmp_path / "frozen.csv").write_text(frozen)
    paths = [tmp_path / name for name in ("items.csv", "labels.csv", "frozen.csv", "split.csv")]
    keywords: dict[str, Any] = {"ratios": RATIOS, "folds": 10, "seed": 1} | parameters
    split(*paths, **keywords)
    return {row.key: row for row in read_table(paths[3], Assignment)}


def assigned(tmp_path: Path, documents: dict[str, int], frozen: str = "key,set\n", **parameters: Any) -> dict[str, str]:
    """The set of each key."""
    return {key: row.set for key, row in written(tmp_path, documents, frozen, **parameters).items()}


MANY = {f"doc{number:03}": 1 + number % 6 for number in range(100)}


def test_no_group_is_in_two_sets_or_two_folds(tmp_path: Path) -> None:
    rows = written(tmp_path, MANY | {f"twin{number}": 3 for number in range(5)})
    by_document: dict[str, set[tuple[str, int | None]]] = {}
    for key, row in rows.items():
        by_document.setdefault(key.rsplit("_", 1)[0], set()).add((row.set, row.fold))
    assert all(len(places) == 1 for places in by_document.values())
    assert len({next(iter(by_document[f"twin{number}"])) for number in range(5)}) == 1


@pytest.mark.parametrize(
    "ratios", [RATIOS, {"train": 0.7, "validation": 0.2, "test": 0.1}, {"train": 1 / 3, "validation": 1 / 3, "test": 1 / 3}]
)
def test_sizes_and_labels_follow_the_ratios(tmp_path: Path, ratios: dict[SetName, float]) -> None:
    sets = assigned(tmp_path, MANY, ratios=ratios)
    labels = {row.key: row.label for row in read_table(tmp_path / "labels.csv", Label)}
    totals = Counter(labels.values())
    for name, ratio in ratios.items():
        counts = Counter(labels[key] for key in sets if sets[key] == name)
        for label in LABELS:
            assert counts[label] / totals[label] == pytest.approx(ratio, abs=0.03)


def test_the_same_seed_gives_the_same_split_and_another_another(tmp_path: Path) -> None:
    first = assigned(tmp_path, MANY)
    content = (tmp_path / "split.csv").read_bytes()
    assert assigned(tmp_path, MANY) == first
    assert (tmp_path / "split.csv").read_bytes() == content
    assert assigned(tmp_path, MANY, seed=2) != first


def test_a_frozen_group_keeps_its_set_when_documents_are_added(tmp_path: Path) -> None:
    first = assigned(tmp_path, MANY)
    frozen = (tmp_path / "split.csv").read_text()  # with folds, as `make freeze` copies it
    tested = {key for key, name in first.items() if name == "test"}
    without_folds = "key,set\n" + "".join(f"{key},test\n" for key in tested)
    for table, kept in ((frozen, set(first)), (without_folds, tested)):
        later = assigned(tmp_path, MANY | {f"new{number}": 2 for number in range(60)}, table, seed=7)
        assert {key: later[key] for key in kept} == {key: first[key] for key in kept}


def test_a_group_frozen_in_two_sets_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="twin0_0 in train, twin1_0 in test, but they are one group"):
        assigned(tmp_path, MANY | {"twin0": 1, "twin1": 1}, "key,set\ntwin0_0,train\ntwin1_0,test\n")


def test_folds_are_of_equal_size_and_mixture_and_leave_the_test_set_out(tmp_path: Path) -> None:
    rows = written(tmp_path, MANY, folds=5)
    labels = {row.key: row.label for row in read_table(tmp_path / "labels.csv", Label)}
    assert {row.set for row in rows.values() if row.fold is None} == {"test"}
    inside = [key for key, row in rows.items() if row.set != "test"]
    totals = Counter(labels[key] for key in inside)
    for fold in range(5):
        counts = Counter(labels[key] for key in inside if rows[key].fold == fold)
        for label in LABELS:
            assert counts[label] / totals[label] == pytest.approx(0.2, abs=0.03)


def test_folds_are_no_more_than_groups_and_a_rare_class_is_in_some_of_them(tmp_path: Path) -> None:
    rows = written(tmp_path, dict.fromkeys("abcdef", 3))
    places = {(key[0], row.fold) for key, row in rows.items() if row.fold is not None}
    assert sorted(fold for _, fold in places) == list(range(5))  # six groups, one of them the test set
    rows = written(tmp_path, {f"d{number:02}": 1 + (number < 2) for number in range(40)}, folds=10)
    assert {row.fold for row in rows.values() if row.set != "test"} == set(range(10))


def test_folds_change_with_the_seed_and_not_with_the_validation_set(tmp_path: Path) -> None:
    first = {key: row.fold for key, row in written(tmp_path, MANY).items()}
    frozen = (tmp_path / "split.csv").read_text()
    assert {key: row.fold for key, row in written(tmp_path, MANY, frozen.replace("validation", "train", 1)).items()} == first
    assert {key: row.fold for key, row in written(tmp_path, MANY, frozen, seed=2).items()} != first


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ({"train": 0.8, "validation": 0.1, "test": 0.2}, "are not positive numbers that sum to 1"),
        ({"train": 1.0, "validation": 0.0, "test": 0.0}, "are not positive numbers that sum to 1"),
        ({"train": 0.9, "test": 0.1}, "names test, train, not train, validation, test"),
    ],
)
def test_wrong_ratios_are_named(tmp_path: Path, ratios: dict[SetName, float], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        assigned(tmp_path, MANY, ratios=ratios)


def test_too_few_groups_are_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"2 groups .* are too few for train, validation, test"):
        assigned(tmp_path, {"a": 3, "b": 3})
    with pytest.raises(BadInput, match="none is left for validation"):
        assigned(tmp_path, {"a": 3, "b": 3, "c": 3}, "key,set\na_0,train\nb_0,train\nc_0,test\n")


def test_one_class_alone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="all labels are dog; a classifier needs two classes"):
        assigned(tmp_path, {"a": 1})


def test_each_group_goes_where_the_labels_get_closest_to_their_shares(tmp_path: Path) -> None:
    """The rule as it is defined: the least chi-square distance of all sets and labels after each step, large groups first."""
    random = Random(3)
    groups = [tuple(f"{number}_{image}" for image in range(random.choice((1, 1, 2, 5)))) for number in range(60)]
    label_of = {key: random.choice("aaabbc") for group in groups for key in group}
    totals = Counter(label_of.values())
    shares = {"train": 0.71, "validation": 0.18, "test": 0.11}

    def distance(chosen: dict[Group, str]) -> float:
        held = {name: Counter(label_of[key] for group, at in chosen.items() if at == name for key in group) for name in shares}
        pairs = [(held[name][label] / totals[label], share) for name, share in shares.items() for label in totals]
        return sum((have - want) ** 2 / want for have, want in pairs)

    found: dict[Group, str] = {groups[0]: "test"}
    assign(groups, label_of, shares, 5, found)
    expected: dict[Group, str] = {groups[0]: "test"}
    for group in list(found)[1:]:  # in the order in which they were dealt
        expected[group] = min(shares, key=lambda name: distance(expected | {group: name}))
    assert found == expected
    sizes = [len(group) for group in list(found)[1:]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_ledger_without_groups_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a_0 has no group in the ledger: `dvc repro extract` writes it"):
        by_group([Item(key="a_0", source="a", status="kept")])


def test_a_few_groups_fill_every_set(tmp_path: Path) -> None:
    assert set(assigned(tmp_path, {"a": 9, "b": 1, "c": 1}).values()) == {"train", "validation", "test"}


def test_feedback_gives_no_label_of_the_test_set(tmp_path: Path) -> None:
    """Who sends feedback has seen the model's answer: documents with such a label are for training and validation."""
    rows = written(tmp_path, MANY, by_feedback="_4")
    sent = {key.rsplit("_", 1)[0] for key in rows if key.endswith("_4")}
    assert len(sent) > 30
    assert {row.set for key, row in rows.items() if key.rsplit("_", 1)[0] in sent} == {"train", "validation"}
    assert Counter(row.set for row in rows.values())["test"] > 10
    assert len({row.key for row in rows.values() if row.key in {f"{name}_4" for name in sent}}) == len(sent)


def test_of_a_frozen_test_document_an_image_that_feedback_labelled_is_left_out(tmp_path: Path) -> None:
    first = assigned(tmp_path, MANY)
    frozen = "key,set\n" + "".join(f"{key},test\n" for key, name in first.items() if name == "test")
    later = assigned(tmp_path, MANY, frozen, by_feedback="_4")
    tested = {key for key, name in first.items() if name == "test"}
    assert tested - set(later) == {key for key in tested if key.endswith("_4")}
    assert {later[key] for key in tested & set(later)} == {"test"}


def test_two_classes_are_enough_and_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "LABELS", ("cat", "dog", "cat"))
    assert len(assigned(tmp_path, MANY)) == sum(MANY.values())
    monkeypatch.setattr(sys.modules[__name__], "LABELS", ("cat", "cat", "cat"))
    with pytest.raises(BadInput, match=r"labels.csv: all labels are cat; a classifier needs two classes"):
        assigned(tmp_path, MANY)


def test_classes_that_are_missing_from_the_training_set_are_named(tmp_path: Path) -> None:
    frozen = "key,set\none_0,test\ntwo_0,validation\n"  # a cat is left for train
    with pytest.raises(BadInput, match=r"labels.csv: too few groups hold dog, other: none is left for train"):
        assigned(tmp_path, {"one": 1, "two": 1, "three": 1}, frozen)


def test_the_sets_and_their_labels_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = assigned(tmp_path, MANY)
    labels = {row.key: row.label for row in read_table(tmp_path / "labels.csv", Label)}
    told = capsys.readouterr().out.splitlines()
    for name, line in zip(RATIOS, told, strict=True):
        counts = Counter(labels[key] for key, own in sets.items() if own == name)
        assert line == f"split: {name}: {counts.total()} images, " + ", ".join(f"{counts[label]} {label}" for label in LABELS)


def test_ratios_may_miss_one_by_a_rounding_and_no_more(tmp_path: Path) -> None:
    assert assigned(tmp_path, MANY, ratios={"train": 0.8, "validation": 0.1, "test": 0.1 + 5e-7})
    with pytest.raises(BadInput, match=r"^params.yaml: split.ratios: .* are not positive numbers that sum to 1"):
        assigned(tmp_path, MANY, ratios={"train": 0.8, "validation": 0.1, "test": 0.1 + 5e-6})
