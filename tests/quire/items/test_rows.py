import hashlib
from pathlib import Path
from typing import Any

import pytest

from quire.command import BadInput
from quire.items.groups import with_groups
from quire.items.rows import Columns, with_tables
from quire.items.tables import Item, read_csv

PHOTO = Item(key="images__a.jpg", source="images/a.jpg", status="kept", image="images__a.jpg", image_sha256="1", width=4, height=3)
BROKEN = Item(key="images__b.jpg", source="images/b.jpg", status="rejected", reason="damaged: it breaks off")


class Read:
    """The rows of these tables, as the ledger, the texts and the labels have them."""

    def __init__(self, raw: Path, tables: dict[str, str], **columns: Any) -> None:
        for name, content in tables.items():
            (raw / name).write_bytes(content.encode())
        texts, labels = raw / "texts.csv", raw / "labels.csv"
        found = with_tables(raw, Columns(**columns), sorted(tables), [PHOTO, BROKEN], texts, labels)
        self.ledger = list(with_groups(found, texts))
        self.texts = {row["key"]: row["text"] for row in read_csv(texts)}
        self.labels = {row["key"]: row["label"] for row in read_csv(labels)}
        self.rows = [row for row in self.ledger if row.row is not None]


def test_a_row_has_its_key_its_texts_a_line_each_its_photo_and_its_label(tmp_path: Path) -> None:
    table = "id,title,more,photo,kind\na/1,Bol,<b>Émail</b>,images/a.jpg,dishes\n2,Verre,,,glass\n"
    read = Read(tmp_path, {"p.csv": table}, key="id", text=["title", "more"], image="photo", label="kind")
    first = read.rows[0]
    assert first == Item(
        key="p__a%2F1",
        source="p.csv",
        row=0,
        status="kept",
        image="images__a.jpg",
        image_sha256="1",
        width=4,
        height=3,
        text_chars=16,
        text_sha256=hashlib.sha256("Bol\n<b>Émail</b>".encode()).hexdigest(),
        text_from="table",
        source_sha256=hashlib.sha256(table.encode()).hexdigest(),
        group="p__a%2F1",
    )
    assert read.texts == {"p__a%2F1": "Bol\n<b>Émail</b>", "p__2": "Verre"}
    assert read.labels == {"p__a%2F1": "dishes", "p__2": "glass"}
    assert [row.source for row in read.ledger] == ["images/b.jpg", "p.csv", "p.csv"]  # the photo is the row's


@pytest.mark.parametrize(
    ("photo", "text", "status", "reason", "note"),
    [
        ("images/b.jpg", "Bol", "kept", None, "images/b.jpg: damaged: it breaks off"),
        ("images/c.jpg", "Bol", "kept", None, "no file images/c.jpg"),
        ("../b.jpg", "Bol", "kept", None, "../b.jpg lies outside the table's folder"),
        ("/b.jpg", "", "rejected", "neither a text nor an image: /b.jpg lies outside the table's folder", None),
        ("", "", "rejected", "neither a text nor an image", None),
        ("images\\a.jpg", "", "kept", None, None),
    ],
)
def test_a_photo_that_is_not_there_is_named_and_the_row_keeps_its_text(
    tmp_path: Path, photo: str, text: str, status: str, reason: str | None, note: str | None
) -> None:
    (row,) = Read(tmp_path, {"p.csv": f"text,photo\n{text},{photo}\n"}, text=["text"], image="photo").rows
    assert (row.key, row.status, row.reason, row.note) == ("p__0", status, reason, note)


def test_a_photo_by_a_template_serves_several_rows(tmp_path: Path) -> None:
    read = Read(tmp_path, {"p.csv": "id,name\n1,a\n2,a\n3,\n"}, key="id", image="images/{name}.jpg")
    assert [row.image for row in read.rows] == ["images__a.jpg", "images__a.jpg", None]
    assert [row.group for row in read.rows] == ["p__1", "p__1", "p__3"]


def test_a_key_twice_is_a_repeat_and_with_other_content_refused_by_name(tmp_path: Path) -> None:
    read = Read(tmp_path, {"a.csv": "id,text\n1,bon\n", "b.csv": "id,text\n2,mal\n1,bon\n"}, key="id", text=["text"])
    assert [(row.key, row.status, row.reason) for row in read.rows] == [
        ("a__1", "kept", None),
        ("b__2", "kept", None),
        (None, "repeat", "equals a.csv, row 0"),
    ]
    with pytest.raises(BadInput, match=r"id '1' stands twice with other content: a.csv, row 0 and b.csv, row 0"):
        Read(tmp_path, {"a.csv": "id,text\n1,bon\n", "b.csv": "id,text\n1,mal\n"}, key="id", text=["text"])


def test_groups_are_of_the_column_joined_by_folded_texts(tmp_path: Path) -> None:
    table = "text,author\nTrès BON !,x\ntres,x\n très bon…,y\nmal,y\nmal,\n!!!,\n???,\n"
    groups = [row.group for row in Read(tmp_path, {"t.csv": table}, text=["text"], group="author").rows]
    assert groups == ["author=x"] * 5 + ["t__5", "t__6"]


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"t.csv: no column 'title', which extract.table names; it has id, text"):
        Read(tmp_path, {"t.csv": "id,text\n1,a\n"}, text=["title"])
    with pytest.raises(BadInput, match="no column 'number'"):
        Read(tmp_path, {"t.csv": "id,text\n1,a\n"}, image="{number}.jpg")


def test_texts_pass_as_they_were_read(tmp_path: Path) -> None:
    texts = ['a "quoted" one', "lines\r\nof\rall\nkinds", "x" * 200_000, "<p>&eacute;</p>", "👩‍👩‍👧"]
    quoted = "".join('"' + text.replace('"', '""') + '"\n' for text in texts)
    assert list(Read(tmp_path, {"t.csv": f"text\n{quoted}"}, text=["text"]).texts.values()) == texts
