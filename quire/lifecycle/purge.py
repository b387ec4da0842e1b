"""What is said of removed items leaves exports of annotations, the service's log and its feedback."""

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from quire.items.annotations.exports import read_export
from quire.items.annotations.table import text_of
from quire.items.annotations.votes import Export, Remark, Vote

Gone = Callable[[Vote | Remark], bool]


def purged(content: bytes, source: str, gone: Gone) -> bytes | None:
    """An export without all that is said of what is gone; None where nothing else is left. `source` names it in errors.

    Each row, task or annotation is read alone, by the reader of its format: what it alone says decides.
    """

    def is_gone(alone: str) -> bool:
        export: Export = read_export(alone.encode(), source)
        return any(map(gone, export.votes)) or any(map(gone, export.remarks))

    text = text_of(content, source)
    if not text.lstrip().startswith(("{", "[")):
        head, *records = _records(text)
        kept = [record for record in records if not record.strip() or not is_gone(head + record)]
        return _unless_equal(content, len(kept) == len(records), (head + "".join(kept)).encode() if kept else None)
    parsed = json.loads(text)
    if isinstance(parsed, list):
        tasks = [task for task in parsed if not is_gone(json.dumps([task]))]
        return _unless_equal(content, len(tasks) == len(parsed), _as_json(tasks) if tasks else None)
    return _without_rows(content, parsed, is_gone)


def _without_rows(content: bytes, parsed: dict[str, Any], is_gone: Callable[[str], bool]) -> bytes | None:
    """Of Ecotag's export, which says how many rows it has."""
    name = next(key for key in parsed if key.lower() == "annotations")
    rows = [row for row in parsed[name] if not is_gone(json.dumps(parsed | {name: [row]}))]
    counts = {
        key: len(rows) for key, value in parsed.items() if key.lower() == "numberannotationsdone" and value == len(parsed[name])
    }
    return _unless_equal(content, len(rows) == len(parsed[name]), _as_json(parsed | counts | {name: rows}) if rows else None)


def _unless_equal(content: bytes, equal: bool, written: bytes | None) -> bytes | None:
    return content if equal else written


def _as_json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _records(text: str) -> Iterator[str]:
    """The head of a CSV, Excel's `sep=` with it, then the text of each record, whose cells may hold line breaks."""
    lines, taken = io.StringIO(text, newline=""), list[str]()

    def noted() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    first = text[: text.find("\n") + 1] if text.lower().startswith("sep=") else ""
    delimiter = max(",;\t", key=text.removeprefix(first).split("\n", 1)[0].count)
    head = ""
    for number, _ in enumerate(csv.reader(noted(), delimiter=delimiter)):
        record = "".join(taken)
        taken.clear()
        if first and number == 0:
            head = record
        else:
            yield head + record
            head = ""


def forget(store: Path, images: set[str], documents: set[str]) -> int:
    """Delete the service's answers for images and documents of these SHA-256, their labels and kept images; how many answers.

    Raises sqlite3.Error where the log cannot be written.
    """
    answers: list[tuple[str, str]] = []
    if (store / "answers.db").is_file():
        with closing(sqlite3.connect(store / "answers.db", timeout=10)) as database, database:
            for column, hashes in (("sha256", images), ("document", documents)):
                for sha256 in sorted(hashes):
                    asked = f"DELETE FROM answers WHERE {column} = ? RETURNING id, sha256"  # noqa: S608 - our own words
                    answers += database.execute(asked, (sha256,)).fetchall()
    for answer, sha256 in answers:
        (store / f"{answer}.csv").unlink(missing_ok=True)
        (store / "images" / sha256).unlink(missing_ok=True)
    for sha256 in images:
        (store / "images" / sha256).unlink(missing_ok=True)
    for path in store.glob("*.csv"):  # of answers that the log has forgotten
        if any(sha256 in path.read_text(encoding="utf-8") for sha256 in images):
            path.unlink()
    return len(answers)
