"""Answers on disk: a journal that a killed run leaves and the next goes on with, and the table that is made of it."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from quire.command import BadInput
from quire.items.tables import write_csv
from quire.model.manifest import UNSURE

ROWS = 10_000  # of a table that are in memory at once


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A row of the table: the answer for one item, or in `error` why there is none.

    `source` is the file as it was named, `key` the ledger's name of the item if the folder were `data/raw`. Page and index count
    from 0. `repeat` marks the last image of a PDF that repeats its first. `probabilities` are a JSON object, by label.
    """

    source: str
    key: str
    page: int | None = None
    index: int | None = None
    repeat: bool | None = None
    prediction: str | None = None
    decision: str | None = None
    reason: str | None = None
    confidence: float | None = None
    unfamiliarity: float | None = None
    probabilities: str | None = None
    model: str | None = None
    error: str | None = None


COLUMNS = [field.name for field in fields(Answered)]
TYPES = {"page": pa.int32(), "index": pa.int32(), "repeat": pa.bool_(), "confidence": pa.float64(), "unfamiliarity": pa.float64()}


class Journal:
    """The answers so far, a line for each file, in order: JSON, a list of rows. What is not a whole line was never written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self.files, end = 0, 0  # answered before, by a run that was stopped
        with path.open("rb") as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    self.files, end = self.files + 1, end + len(line)
        os.truncate(path, end)

    def append(self, answers: Iterable[Sequence[Answered]]) -> None:
        """Write the answers for each further file as they come."""
        with self.path.open("a", encoding="utf-8") as stream:
            for rows in answers:
                stream.write(json.dumps([list(vars(row).values()) for row in rows]) + "\n")

    def rows(self) -> Iterator[list[Any]]:
        """The cells of each row."""
        with self.path.open(encoding="utf-8") as stream:
            for line in stream:
                yield from json.loads(line)

    def summary(self) -> str:
        """How many items got which decision, and why others got none."""
        decisions, reasons, failed = Counter[str](), Counter[str](), 0
        error, decision, reason = (COLUMNS.index(name) for name in ("error", "decision", "reason"))
        for row in self.rows():
            failed += row[error] is not None
            decisions.update([row[decision]] if row[decision] else [])
            reasons.update([row[reason].replace("_", " ")] if row[reason] else [])
        labels = sorted((label, count) for label, count in decisions.items() if label != UNSURE)
        why = f" ({', '.join(f'{count} {reason}' for reason, count in sorted(reasons.items()))})" if reasons else ""
        named = [f"{count} {label}" for label, count in labels] + [f"{decisions[UNSURE]} {UNSURE}{why}"]
        return f"{decisions.total() + failed} items: {', '.join(named)}, {failed} without an answer"


def write_answers(journal: Journal, out: Path) -> int:
    """Write the table, CSV or Parquet as its name ends, whole or not at all; how many of its rows have no answer."""
    failed = 0

    def counted() -> Iterator[list[Any]]:
        nonlocal failed
        for row in journal.rows():
            failed += row[-1] is not None
            yield row

    writer_of(out)(out, counted())
    return failed


def writer_of(out: Path) -> Callable[[Path, Iterator[list[Any]]], None]:
    """What writes a table of that name. Raises BadInput for one that is neither CSV nor Parquet."""
    writers: Mapping[str, Callable[[Path, Iterator[list[Any]]], None]] = {".csv": _write_csv, ".parquet": _write_parquet}
    if out.suffix not in writers:
        raise BadInput(f"{out}: the table's name ends in {' or '.join(writers)}")
    return writers[out.suffix]


def _write_csv(out: Path, rows: Iterator[list[Any]]) -> None:
    write_csv(out, COLUMNS, rows)


def _write_parquet(out: Path, rows: Iterator[list[Any]]) -> None:
    schema = pa.schema([(name, TYPES.get(name, pa.string())) for name in COLUMNS])
    partial = out.with_name(f"{out.name}.partial")
    with parquet.ParquetWriter(partial, schema) as writer:
        while some := list(islice(rows, ROWS)):
            columns = zip(*some, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
    os.replace(partial, out)
