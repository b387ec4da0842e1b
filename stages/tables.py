"""The files that pass between stages: CSV with one row type each, JSON, and arrays."""

import csv
import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from stages.command import BadInput

SetName = Literal["train", "validation", "test"]
SETS: tuple[SetName, ...] = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Item:
    """A row of the ledger `data/items.csv`: an image of a page, or a file that could not be read."""

    key: str | None
    document: str
    page: int | None
    index: int | None
    status: Literal["kept", "repeat", "rejected"]
    reason: str | None
    width: int | None
    height: int | None
    sha256: str | None
    file: str | None


@dataclasses.dataclass(frozen=True)
class Label:
    """A row of `data/labels.csv`. `agreement` is the share of the votes that the label got."""

    key: str
    label: str
    votes: int
    agreement: float
    annotators: str
    source: str


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A row of `data/split.csv`."""

    key: str
    set: SetName


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


def write_table(path: Path, row_type: type[Row], rows: Iterable[Row]) -> None:
    """Write rows as CSV; None is an empty cell."""
    names = [field.name for field in dataclasses.fields(row_type)]  # type: ignore[arg-type]
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
