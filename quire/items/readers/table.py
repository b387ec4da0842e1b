"""Read a table, row by row: CSV and its like, Parquet, Excel. Every cell is a text, as it is written there."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from quire.command import BadInput
from quire.items.tables import long_cells

EXTENSIONS = {".csv", ".tsv", ".txt", ".parquet", ".xlsx"}
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # byte order marks
BLOCK = 2**20  # bytes that are looked at at once

Row = dict[str, str]


def is_table(name: str) -> bool:
    """Whether a file is one, by its name: a text has no mark that says it is a table."""
    return Path(name).suffix.lower() in EXTENSIONS


def read_rows(path: Path, encoding: str | None) -> Iterator[tuple[int, Row]]:
    """Yield each row with its number, counted from 0; a cell that is empty or missing is "".

    `encoding` is that of CSV; None recognises UTF-8, and UTF-16 by its mark, and takes what is neither for Windows' cp1252.
    Raises BadInput that names file and place for what is no table, for a header that names a column twice, and for a row with
    more cells than the header.
    """
    readers = {".parquet": _parquet, ".xlsx": _excel}
    reader = readers.get(path.suffix.lower())
    yield from enumerate(reader(path) if reader else _csv(path, encoding or _encoding(path)))


def _encoding(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(3)
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    try:
        with path.open(encoding="utf-8") as text:
            while text.read(BLOCK):
                pass
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _csv(path: Path, encoding: str) -> Iterator[Row]:
    """Commas, semicolons, tabs or bars stand between the cells, whichever the header has most of."""
    try:
        with long_cells(), path.open(newline="", encoding=encoding) as stream:
            delimiter = max(",;\t|", key=stream.readline().count)
            stream.seek(0)
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            header = _header(path, next(reader, []))
            for cells in reader:
                if len(cells) > len(header):
                    raise BadInput(f"{path}: line {reader.line_num}: {len(cells)} cells, and the header has {len(header)}")
                if cells:
                    yield dict.fromkeys(header, "") | dict(zip(header, cells, strict=False))
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is no {encoding}; extract.table.encoding in params.yaml names it") from error
    except LookupError as error:
        raise BadInput(f"params.yaml: extract.table.encoding: {error}") from error
    except csv.Error as error:
        raise BadInput(f"{path}: line {reader.line_num}: {error}") from error


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - half a second that only tables of this kind need
    from pyarrow import ArrowException  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            _header(path, file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    yield {name: _text(cell) for name, cell in row.items()}
    except ArrowException as error:
        raise BadInput(f"{path}: not Parquet: {error}") from error


def _excel(path: Path) -> Iterator[Row]:
    """The first sheet; a formula's cell has the value that was stored with it."""
    from zipfile import BadZipFile  # noqa: PLC0415

    import openpyxl  # noqa: PLC0415

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, KeyError, ValueError, openpyxl.utils.exceptions.InvalidFileException) as error:
        raise BadInput(f"{path}: not an Excel workbook: {error}") from error
    try:
        rows: Iterable[tuple[Any, ...]] = book.worksheets[0].iter_rows(values_only=True)
        filled = ([_text(cell) for cell in row] for row in rows)
        header = _header(path, [name for name in next(filled, []) if name])
        yield from (dict(zip(header, row, strict=False)) for row in filled if any(row))
    finally:
        book.close()


def _header(path: Path, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise BadInput(f"{path}: its header names {twice[0]!r} twice" if twice else f"{path}: empty, without a header")
    return names


def _text(cell: object) -> str:
    """A whole number that was stored as a float is written as one: spreadsheets know no other."""
    if cell is None or cell != cell:  # noqa: PLR0124 - not a number
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
