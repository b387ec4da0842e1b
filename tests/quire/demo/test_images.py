import json
from collections import Counter
from pathlib import Path

import pymupdf
import pytest

from quire.demo.images import EXPORT, files
from quire.items.tables import Item, Label, read_table
from stages.extract import extract
from stages.import_labels import import_labels
from tests.conftest import extracted_into
from tests.stages.test_extract import BOUNDS
from tests.stages.test_import_labels import FILES, PARAMETERS


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's data, with the ledger and the labels that come of them."""
    folder = tmp_path_factory.mktemp("demo")
    for path, content in files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    extract(folder / "raw", *extracted_into(folder), **BOUNDS)
    import_labels(folder / "items.csv", folder / "annotations", *(folder / name for name in FILES), **PARAMETERS)
    return folder


@pytest.fixture(scope="module")
def rows(drawn: Path) -> list[Item]:
    """The ledger."""
    return read_table(drawn / "items.csv", Item)


@pytest.fixture(scope="module")
def labels(drawn: Path) -> dict[str, str]:
    """The labels that were imported, by key."""
    return {row.key: row.label for row in read_table(drawn / "labels.csv", Label)}


def test_the_demo_is_the_same_to_the_byte(drawn: Path) -> None:
    assert all((drawn / path).read_bytes() == content for path, content in files())


def test_every_kind_of_file_is_inside(drawn: Path, rows: list[Item]) -> None:
    assert Counter(path.suffix for path in (drawn / "raw").rglob("*.*")) == {".pdf": 60, ".jpg": 1, ".png": 1, ".webp": 1}
    rejected = {row.source for row in rows if row.status == "rejected"}
    assert rejected == {"damaged.pdf", "empty.pdf", "encrypted.pdf", "notes.pdf"}
    assert {row.key: row.image for row in rows if row.source.startswith("photos/")} == {
        name: name for name in ("photos__1.jpg", "photos__2.png", "photos__3.webp")
    }


def test_every_trap_of_a_document_is_inside(drawn: Path, rows: list[Item]) -> None:
    assert [row.status for row in rows if row.source == "last-is-no-repeat.pdf"] == ["kept"] * 3
    assert [Path(row.image or "").suffix for row in rows if row.source == "grey-cmyk-mask.pdf"] == [".jpg", ".png", ".png"]
    assert [row.page for row in rows if row.source == "page-without-image.pdf"] == [0, 2]
    assert [row.index for row in rows if row.source == "two-on-a-page.pdf"] == [0, 1]
    pages = [pymupdf.open(path).page_count for path in (drawn / "raw").glob("demo-*.pdf")]
    assert {1, 8} <= set(pages)
    assert sum(row.status == "repeat" for row in rows) == sum(count > 1 for count in pages)


def test_one_image_in_three_files_makes_one_group_of_them(rows: list[Item]) -> None:
    shared = {row.source: row.image_sha256 for row in rows if row.key in ("duplicate-1_page0_index0", "duplicate-2_page1_index0")}
    assert {row.image_sha256 for row in rows if row.source == "photos/1.jpg"} == set(shared.values())
    assert {row.source for row in rows if row.group == "duplicate-1.pdf"} == {*shared, "photos/1.jpg"}


def test_earlier_and_foreign_names_of_the_export_lead_to_the_right_image(drawn: Path, labels: dict[str, str]) -> None:
    export = json.loads((drawn / "annotations" / EXPORT).read_text())
    called = {row["fileName"] for row in export["annotations"]}
    assert {"north-catalogue_page0_index0.png", "south__catalogue_page0_index0.png", "2.png", "3.png"} <= called
    assert [labels[f"{folder}__catalogue_page{page}_index0"] for folder in ("north", "south") for page in (0, 1)] == [
        "cat",
        "other",
    ] * 2
    assert [labels[f"photos__{name}"] for name in ("1.jpg", "2.png", "3.webp")] == ["cat", "other", "dog"]


def test_every_trap_of_voting_is_inside(drawn: Path) -> None:
    found = json.loads((drawn / "labels.json").read_text())
    assert {name: count for name, count in found["counts"].items() if count} == {
        "unlabelled": 5,
        "conflict": 1,
        "tie": 1,
        "orphan": 2,
    }
    assert {orphan["name"]: orphan["candidates"] for orphan in found["orphan"]} == {
        "catalogue_page0_index0.png": ["north__catalogue_page0_index0", "south__catalogue_page0_index0"],
        "demo-999_page0_index0.png": [],
    }
    export = json.loads((drawn / "annotations" / EXPORT).read_text())
    assert Counter(row["nameIdentifier"] for row in export["annotations"])["3"] == 11


def test_no_label_outweighs_the_others(labels: dict[str, str]) -> None:
    counts = Counter(labels.values())
    assert min(counts.values()) > 0.2 * len(labels)
