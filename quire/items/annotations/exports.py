"""Which files of annotations count, and which format each of them has: that is told by content."""

import csv
import json
import re
from pathlib import Path

from pydantic import ValidationError

from quire.command import BadInput
from quire.items.annotations.ecotag import read_ecotag
from quire.items.annotations.label_studio import read_label_studio
from quire.items.annotations.table import read_table_of_labels, text_of
from quire.items.annotations.votes import Export

PULLED = re.compile(r"(?P<project>.+)-(?P<time>\d{8}T\d{6}Z)-[0-9a-f]{8}\.json")  # as labelling/pull.py names an export


OTHERS: tuple[tuple[set[str], str], ...] = (
    ({"images", "categories"}, "COCO, which says where something is, not what an image shows: export as JSON instead"),
    ({"task", "result"}, "one annotation out of a storage of Label Studio's: export the project as JSON instead"),
    ({"data", "annotations"}, "one task of Label Studio's: export the project as JSON, a list of tasks, instead"),
)  # of JSON objects that people have, their keys, and what to choose instead


def export_files(annotations: Path, *, needed: bool) -> list[Path]:
    """The files of the folder and its subfolders, sorted. Raises BadInput where there is none, and one is needed."""
    found = sorted(path for path in annotations.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not found and needed:
        raise BadInput(f"{annotations}: no export in it; `quire add` brings yours")
    return found


def newest(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """What to read, and the pulled exports that a later one of the same project replaces.

    An export says everything that its project holds, and Ecotag keeps the date of an answer that was changed: only
    when it was pulled says which of two is right. Other files all count.
    """
    latest: dict[Path, Path] = {}
    for path in sorted(files, key=lambda path: found["time"] if (found := PULLED.fullmatch(path.name)) else ""):
        found = PULLED.fullmatch(path.name)
        latest[path.with_name(found["project"]) if found else path] = path
    return sorted(latest.values()), sorted(set(files) - set(latest.values()))


def is_pulled(source: str) -> bool:
    """Whether a file bears a name that `quire labels pull` gives."""
    return PULLED.fullmatch(source.rsplit("/", 1)[-1]) is not None


def read_export(content: bytes, source: str) -> Export:
    """Read one file of any known format; `source` names it. Raises BadInput that names file, place and value."""
    try:
        return _read(content, source)
    except csv.Error as error:
        raise BadInput(f"{source}: not CSV: {error}") from error
    except ValidationError as error:
        raise BadInput(f"{source}: {_problem(error)}") from error
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:  # no JSON, a number of thousands of digits, nested too deep
        lines = "; of JSON lines make one list, [line, line]" if "Extra data" in str(error) else ""
        raise BadInput(f"{source}: not JSON: {error}{lines}") from error


def _read(content: bytes, source: str) -> Export:
    text = text_of(content, source)
    if not text.lstrip().startswith(("{", "[")):
        return read_table_of_labels(text, source)
    parsed = json.loads(text)
    if isinstance(parsed, list):
        return read_label_studio(parsed, source)
    if what := next((what for keys, what in OTHERS if keys <= parsed.keys()), ""):
        raise BadInput(f"{source}: {what}")
    return read_ecotag(parsed, source)


def _problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]).lstrip(".")
    value = "" if problem["type"] == "missing" else f", not {json.dumps(problem['input'], default=str)[:80]}"
    return f"{place}: {problem['msg']}{value}"
