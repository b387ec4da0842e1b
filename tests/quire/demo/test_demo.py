import json
from collections import Counter
from pathlib import Path

import pymupdf
import pytest

from quire.demo.images import EXPORT, files
from quire.items.tables import Item, read_table
from stages.extract import extract
from stages.import_labels import import_labels
from tests.stages.test_extract import BOUNDS
from tests.stages.test_import_labels import OUTPUTS, PARAMETERS


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's data, with the ledger and the labels that come of them."""
    folder = tmp_path_factory.mktemp("demo")
    for path, content in files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    extract(folder / "raw", folder / "images", folder / "items.csv", **BOUNDS)
    import_labels(folder / "items.csv", folder / "annotations", *(folder / name for name in OUTPUTS), **PARAMETERS)
    return folder


def test_the_demo_is_the_same_to_the_byte(drawn: Path) -> None:
    assert all((drawn / path).read_bytes() == content for path, content in files())


def test_every_trap_of_extraction_is_inside(drawn: Path) -> None:
    rows = read_table(drawn / "items.csv", Item)
    rejected = {row.source for row in rows if row.status == "rejected"}
    assert rejected == {"damaged.pdf", "empty.pdf", "encrypted.pdf", "notes.pdf"}
    assert len(list((drawn / "raw").rglob("*.pdf"))) == 60
    assert {"north__catalogue_page0_index0", "south__catalogue_page0_index0"} <= {row.key for row in rows}
    assert [row.status for row in rows if row.source == "last-is-no-repeat.pdf"] == ["kept"] * 3
    assert [Path(row.image or "").suffix for row in rows if row.source == "grey-cmyk-mask.pdf"] == [".jpg", ".png", ".png"]
    assert [row.page for row in rows if row.source == "page-without-image.pdf"] == [0, 2]
    assert [row.index for row in rows if row.source == "two-on-a-page.pdf"] == [0, 1]
    contents = {row.image_sha256 for row in rows if row.source == "duplicate-1.pdf"} & {
        row.image_sha256 for row in rows if row.source == "duplicate-2.pdf"
    }
    assert len(contents) == 1
    pages = [pymupdf.open(path).page_count for path in (drawn / "raw").glob("demo-*.pdf")]
    assert {1, 8} <= set(pages)
    assert sum(row.status == "repeat" for row in rows) == sum(count > 1 for count in pages)


def test_every_trap_of_labelling_is_inside(drawn: Path) -> None:
    counts = json.loads((drawn / "labels.json").read_text())["counts"]
    assert {name: counts[name] for name in ("unlabelled", "conflict", "tie", "orphan")} == {
        "unlabelled": 5,
        "conflict": 1,
        "tie": 1,
        "orphan": 1,
    }
    export = json.loads((drawn / "annotations" / EXPORT).read_text())
    voters = Counter(row["nameIdentifier"] for row in export["annotations"])
    assert voters["3"] > 10
