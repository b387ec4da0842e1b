"""From the rows of tables to rows of the ledger: texts, photos from beside the table, groups and labels."""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from quire.command import BadInput
from quire.items.keys import row_key
from quire.items.readers.table import Row, read_rows
from quire.items.tables import Item, write_csv

TEMPLATE = re.compile(r"{([^{}]+)}")


class Columns(BaseModel):
    """Which columns of the tables in `data/raw` say what.

    `image` is a column that holds a path from the table's folder, or a template with columns in braces, such as
    `images/{id}.jpg`. Without `key` a row goes by its number. The columns of `text` are joined, each on a line of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str | None = None
    text: Annotated[list[str], Field(min_length=0)] = []
    image: str | None = None
    group: str | None = None
    label: str | None = None
    encoding: str | None = None

    def names(self) -> list[str]:
        """All columns that a table must have."""
        image = (TEMPLATE.findall(self.image) or [self.image]) if self.image else []
        return [name for name in (self.key, *self.text, *image, self.group, self.label) if name]


@dataclass(frozen=True)
class TableRow:
    """A row of a table: its row of the ledger, its text as it was read, and the label that stands in it; "" for none."""

    item: Item
    text: str
    label: str


class Tables:
    """The rows of the tables in the folder `raw`; `files` are the ledger's rows of all other files, photos among them."""

    def __init__(self, raw: Path, columns: Columns, files: Sequence[Item]) -> None:
        self.raw, self.columns = raw, columns
        self.files = {row.source: row for row in files if row.page is None}
        self.used: set[str] = set()  # sources of the photos that rows name: these are no items of their own
        self._contents: dict[str, tuple[str, str]] = {}

    def read(self, table: str) -> Iterator[TableRow]:
        """Yield every row of a table, a path below the raw folder.

        Raises BadInput for a column that it lacks, and for a key that stands twice with other content, in this table or another.
        """
        with (self.raw / table).open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        for number, cells in read_rows(self.raw / table, self.columns.encoding):
            self._check(table, cells)
            yield self._row(table, number, cells, sha256)

    def _check(self, table: str, cells: Row) -> None:
        for name in self.columns.names():
            if name not in cells:
                raise BadInput(f"{self.raw / table}: no column {name!r}, which extract.table names; it has {', '.join(cells)}")

    def _row(self, table: str, number: int, cells: Row, sha256: str) -> TableRow:
        columns = self.columns
        text = "\n".join(part for name in columns.text if (part := cells[name]).strip())
        photo, problem = self._photo(table, cells)
        own = cells[columns.key].strip() if columns.key else str(number)
        reason = "" if text or photo else f"neither a text nor an image{f': {problem}' if problem else ''}"
        item = Item(
            key=row_key(table, own) if own else None,
            source=table,
            row=number,
            status="rejected" if reason or not own else "kept",
            reason=(reason if own else f"no {columns.key}") or None,
            note=problem if text and problem else photo.note if photo else None,
            image=photo.image if photo else None,
            image_sha256=photo.image_sha256 if photo else None,
            width=photo.width if photo else None,
            height=photo.height if photo else None,
            text_chars=len(text) or None,
            text_sha256=hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest() if text else None,
            text_from="table" if text else None,
            source_sha256=sha256,
            group=f"{columns.group}={cells[columns.group]}" if columns.group and cells[columns.group] else None,
        )
        label = cells[columns.label].strip() if columns.label else ""
        return TableRow(self._once(item, own, label), text, label)

    def _photo(self, table: str, cells: Row) -> tuple[Item | None, str | None]:
        """The ledger's row of the file that a row names, or why there is none."""
        name = self._name(cells)
        if not name:
            return None, None
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            return None, f"{name} lies outside the table's folder"
        file = self.files.get((PurePosixPath(table).parent / path).as_posix())
        if file is None:
            return None, f"no file {name}"
        self.used.add(file.source)
        return (file, None) if file.image else (None, f"{name}: {file.reason}")

    def _name(self, cells: Row) -> str:
        given = self.columns.image
        if not given or not TEMPLATE.search(given):
            return cells[given].strip() if given else ""
        parts = {name: cells[name].strip() for name in TEMPLATE.findall(given)}
        return TEMPLATE.sub(lambda found: parts[found[1]], given) if all(parts.values()) else ""

    def _once(self, item: Item, own: str, label: str) -> Item:
        """A row whose key stands there before with the same content is a repeat."""
        if not self.columns.key or item.key is None:
            return item
        place = f"{item.source}, row {item.row}"
        content = f"{item.text_sha256} {item.image_sha256} {label}"
        first, known = self._contents.setdefault(own, (place, content))
        if first == place:
            return item
        if known != content:
            raise BadInput(f"{self.raw}: {self.columns.key} {own!r} stands twice with other content: {first} and {place}")
        return replace(item, key=None, status="repeat", reason=f"equals {first}", image=None)


def with_tables(
    raw: Path, columns: Columns, tables: Sequence[str], files: list[Item], texts: Path, labels: Path,
    removed: Collection[str] = (),
) -> list[Item]:  # fmt: skip
    """The ledger with a row for each row of the tables but those whose key was `removed`, in place of the photos that they name.

    Writes the texts, `key,text`, and the labels that stand in the tables, `key,label`, row by row. Raises BadInput as
    `Tables.read` does.
    """
    rows, reader, labelled = list[Item](), Tables(raw, columns, files), dict[str, str]()

    def kept() -> Iterator[tuple[str, str]]:
        for table in tables:
            for row in reader.read(table):
                if row.item.key in removed:
                    continue
                rows.append(row.item)
                if row.item.key and row.label:
                    labelled[row.item.key] = row.label
                if row.item.key and row.text:
                    yield row.item.key, row.text

    write_csv(texts, ["key", "text"], kept())
    write_csv(labels, ["key", "label"], labelled.items())
    return [file for file in files if file.source not in reader.used] + rows
