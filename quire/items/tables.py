"""The files that pass between stages: CSV with one row type each, JSON, and arrays."""

import csv
import dataclasses
import io
import json
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from quire.command import BadInput

SetName = Literal["train", "validation", "test"]
SETS: tuple[SetName, ...] = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)  # a ledger of a million rows is in memory
class Item:
    """A row of the ledger `data/items.csv`: an image of a page, an image file, a row of a table, or a file that cannot be read.

    `source` is a path below `data/raw`; page, index and row count from 0. `note` says what was repaired, turned or converted.
    `group` names what must not be torn apart by the split: sources that share images or, as `sha256:…`, the copies of an image
    that very many share. The columns of text are there for items that have one.
    """

    key: str | None
    source: str
    page: int | None = None
    index: int | None = None
    row: int | None = None
    status: Literal["kept", "repeat", "rejected"]
    reason: str | None = None
    note: str | None = None
    image: str | None = None
    image_sha256: str | None = None
    width: int | None = None
    height: int | None = None
    text_chars: int | None = None
    text_sha256: str | None = None
    text_from: Literal["table", "layer", "ocr"] | None = None
    language: str | None = None
    source_sha256: str | None = None
    group: str | None = None


@dataclasses.dataclass(frozen=True)
class Label:
    """A row of `data/labels.csv`. `agreement` is the share of the votes that the label got.

    `votes` is how many annotators said something; 0 is a label that only feedback gave, which the test set must not hold.
    """

    key: str
    label: str
    votes: int
    agreement: float


@dataclasses.dataclass(frozen=True)
class Given:
    """A row of `data/votes.csv`: who gave which label, where and when. `annotator` is a pseudonym."""

    key: str
    label: str
    annotator: str
    source: str
    place: str
    date: str | None


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A row of `data/split.csv`; the test set has no fold."""

    key: str
    set: SetName
    fold: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """A row of a table of predictions: `set` in those of the served model, `fold` in those out of fold.

    `probabilities` are packed into one column in the order of the model's labels, so that no label can be taken for a column.
    """

    key: str
    set: SetName | None = None
    fold: int | None = None
    label: str | None = None
    prediction: str | None = None
    decision: str
    confidence: float | None = None
    unfamiliarity: float | None = None
    probabilities: str | None = None
    experts: str | None = None  # of image and text, each one's share of the log-odds of the first label over the second


def pack(probabilities: Iterable[float]) -> str:
    """Probabilities, (C,), as the text of one cell."""
    return " ".join(f"{probability:.6f}" for probability in probabilities)


def unpack(cell: str | None) -> list[float]:
    """The probabilities of a cell; none where it is empty."""
    return [float(part) for part in (cell or "").split()]


Row = TypeVar("Row")


def read_table(path: Path, row_type: type[Row]) -> list[Row]:
    """Read a CSV file into rows; an empty cell is None. Raises BadInput with file, line, column and value."""
    adapter = TypeAdapter(row_type)
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        rows = []
        for cells in reader:
            try:
                rows.append(adapter.validate_python({name: cell or None for name, cell in cells.items()}))
            except ValidationError as error:
                problem = error.errors()[0]
                column = ".".join(str(part) for part in problem["loc"])
                raise BadInput(
                    f"{path}: line {reader.line_num}, column {column}: {problem['msg']}, not {problem['input']!r}"
                ) from error
    return rows


def read_texts(path: Path) -> dict[str, str]:
    """Each key's text, of the table `data/texts.csv`."""
    return {row["key"]: row["text"] for row in read_csv(path)}


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """Yield a CSV file's rows as they are, one by one."""
    with long_cells(), path.open(newline="", encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


@contextmanager
def long_cells() -> Iterator[None]:
    """Where a text may be of any length: elsewhere Python refuses a cell of 131,072 characters, and mostly rightly."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def write_table(path: Path, row_type: type[Row], rows: Iterable[Row], without: Sequence[str] = ()) -> None:
    """Write rows as CSV, without some of the columns; None is an empty cell."""
    names = [field.name for field in dataclasses.fields(row_type) if field.name not in without]  # type: ignore[arg-type]
    write_csv(path, names, ([getattr(row, name) for name in names] for row in rows))


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file whole or not at all: a run that breaks off leaves the earlier one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """Write a plain value as JSON."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_npz(path: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays as `np.load` reads them, without the clock that `np.savez` puts in."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue())
