import csv
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quire.command import BadInput
from quire.items.readers.table import read_rows

ROWS = [{"id": "1", "text": "déçu, très déçu\nvraiment"}, {"id": "2", "text": ""}]


def written(path: Path, delimiter: str, encoding: str) -> Path:
    with path.open("w", newline="", encoding=encoding) as stream:
        writer = csv.DictWriter(stream, ["id", "text"], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)
    return path


def rows(path: Path, encoding: str | None = None) -> list[dict[str, str]]:
    numbers, found = zip(*read_rows(path, encoding), strict=True)
    assert numbers == tuple(range(len(found)))
    return list(found)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_and_encoding_are_recognised(tmp_path: Path, delimiter: str, encoding: str) -> None:
    assert rows(written(tmp_path / "t.csv", delimiter, encoding)) == ROWS


def test_any_other_encoding_is_named(tmp_path: Path) -> None:
    assert rows(written(tmp_path / "t.csv", ",", "cp437"), "cp437") == ROWS
    with pytest.raises(BadInput, match=r"t.csv: byte \d+ is no ascii"):
        rows(tmp_path / "t.csv", "ascii")
    with pytest.raises(BadInput, match=r"extract.table.encoding: unknown encoding: nonesuch"):
        rows(tmp_path / "t.csv", "nonesuch")


def test_parquet_and_excel_hold_the_same(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1.0, 2.0], "text": [ROWS[0]["text"], None]}), tmp_path / "t.parquet")
    book = openpyxl.Workbook()
    for row in (["id", "text"], [1, ROWS[0]["text"]], [2, None], [None, None]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    assert rows(tmp_path / "t.parquet") == rows(tmp_path / "t.xlsx") == ROWS


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t.csv", b"", "empty, without a header"),
        ("t.csv", b"a,b,a\n1,2,3\n", "its header names 'a' twice"),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "line 3: 3 cells, and the header has 2"),
        ("t.csv", b'a,b\n1,"2\n', "line 2: unexpected end of data"),
        ("t.parquet", b"no", "not Parquet"),
        ("t.xlsx", b"no", "not an Excel workbook"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=f"{name}: {problem}"):
        rows(tmp_path / name)
