"""A table of labels, as CSV: one's own, a spreadsheet's, or the service's feedback."""

import codecs
import csv
import io

from quire.command import BadInput
from quire.items.annotations.votes import Export, Remark, Vote


def text_of(content: bytes, source: str) -> str:
    """What a text file says, in UTF-8 or, with a byte order mark, UTF-16. Raises BadInput for another encoding."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{source}: not UTF-8 text: {error}; save it as UTF-8, which Excel calls `CSV UTF-8`") from error


def rows_of(text: str) -> tuple[set[str], list[tuple[int, dict[str, str]]]]:
    """The columns of a CSV, in lower case, and the line and cells of each row that is not empty. Raises csv.Error.

    Commas, semicolons or tabs stand between the cells; Excel's first line `sep=;` may say which.
    """
    first, _, rest = text.partition("\n")
    excel = first.strip().lower().startswith("sep=")
    text = rest if excel else text
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    reader, rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter), []
    columns = {_name(column) for column in reader.fieldnames or []}
    for row in reader:
        cells = {_name(column): cell.strip() for column, cell in row.items() if isinstance(cell, str)}
        if any(cells.values()):  # a spreadsheet has empty rows
            rows.append((reader.line_num + excel, cells))
    return columns, rows


def read_table_of_labels(text: str, source: str) -> Export:
    """The votes of a CSV whose header has `label`, `key`, `file` or `filename`, perhaps `annotator`, `sha256` and `date`.

    A row without a label is a remark. Raises csv.Error, and BadInput for another header and for a row that names no image.
    """
    columns, rows = rows_of(text)
    if {"annotation_id", "lead_time"} <= columns:
        raise BadInput(f"{source}: Label Studio's CSV, which leaves out what was skipped: export as JSON instead")
    if "label" not in columns or not columns & {"key", "file"}:
        raise BadInput(f"{source}: no Ecotag JSON, no Label Studio JSON, and no CSV whose header names label and key or file")
    export = Export(source)
    for line, cells in rows:
        _add(export, cells, f"line {line}")
    return export


def _name(column: str | None) -> str:
    name = (column or "").strip().lower()
    return "file" if name == "filename" else name


def _add(export: Export, cells: dict[str, str], place: str) -> None:
    name, label = cells.get("key") or cells.get("file"), cells.get("label")
    if not name:
        raise BadInput(f"{export.source}: {place}: neither key nor file")
    if not label:
        export.remarks.append(Remark(kind="empty", name=name, source=export.source))
        return
    annotator = f"csv:{cells.get('annotator') or 'csv'}"
    sha256, date = cells.get("sha256") or None, cells.get("date", "")
    export.votes.append(
        Vote(name=name, annotator=annotator, label=label, source=export.source, place=place, sha256=sha256, date=date)
    )
