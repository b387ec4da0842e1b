from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from quire.command import BadInput
from quire.items.tables import Assignment, Item, Label, SetName, read_table, write_table
from stages.split import split

RATIOS: dict[SetName, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
LABELS = ("cat", "dog", "other")


def assigned(
    tmp_path: Path, documents: dict[str, int], frozen: dict[str, SetName] | None = None, **parameters: Any
) -> dict[str, str]:
    """Split documents of so many images each, labels in turn; an image's key is `<document>_<number>`."""
    items, labels = [], []
    for document, count in documents.items():
        for number in range(count):
            key = f"{document}_{number}"
            content = "shared" if document.startswith("twin") and number == 0 else key
            items.append(
                Item(
                    key=key,
                    source=document,
                    page=number,
                    index=0,
                    status="kept",
                    width=4,
                    height=4,
                    image_sha256=content,
                    image=f"{key}.jpg",
                )
            )
            labels.append(Label(key, LABELS[(number + len(items)) % 3], 1, 1.0))
    write_table(tmp_path / "items.csv", Item, items)
    write_table(tmp_path / "labels.csv", Label, labels)
    write_table(tmp_path / "frozen.csv", Assignment, [Assignment(key, name) for key, name in (frozen or {}).items()])
    paths = [tmp_path / name for name in ("items.csv", "labels.csv", "frozen.csv", "split.csv")]
    keywords: dict[str, Any] = {"ratios": RATIOS, "seed": 1} | parameters
    split(*paths, **keywords)
    return {row.key: row.set for row in read_table(paths[3], Assignment)}


MANY = {f"doc{number:03}": 1 + number % 6 for number in range(100)}


def test_no_document_and_no_content_is_in_two_sets(tmp_path: Path) -> None:
    sets = assigned(tmp_path, MANY | {f"twin{number}": 3 for number in range(5)})
    by_document: dict[str, set[str]] = {}
    for key, name in sets.items():
        by_document.setdefault(key.rsplit("_", 1)[0], set()).add(name)
    assert all(len(names) == 1 for names in by_document.values())
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
    written = (tmp_path / "split.csv").read_bytes()
    assert assigned(tmp_path, MANY) == first
    assert (tmp_path / "split.csv").read_bytes() == written
    assert assigned(tmp_path, MANY, seed=2) != first


def test_a_frozen_group_keeps_its_set_when_documents_are_added(tmp_path: Path) -> None:
    first = assigned(tmp_path, MANY)
    tested: dict[str, SetName] = {key: "test" for key, name in first.items() if name == "test"}
    later = assigned(tmp_path, MANY | {f"new{number}": 2 for number in range(60)}, frozen=tested, seed=7)
    assert {key: later[key] for key in tested} == tested


def test_a_group_frozen_in_two_sets_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="twin0_0 in train, twin1_0 in test, but they are one group"):
        assigned(tmp_path, MANY | {"twin0": 1, "twin1": 1}, frozen={"twin0_0": "train", "twin1_0": "test"})


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
        assigned(tmp_path, {"a": 3, "b": 3, "c": 3}, frozen={"a_0": "train", "b_0": "train", "c_0": "test"})


def test_one_class_alone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"all 1 labels are .*; a classifier needs two classes"):
        assigned(tmp_path, {"a": 1})


def test_a_few_groups_fill_every_set(tmp_path: Path) -> None:
    assert set(assigned(tmp_path, {"a": 9, "b": 1, "c": 1}).values()) == {"train", "validation", "test"}
