"""Take the items out of the files: data/raw → data/images, data/texts.csv, data/table_labels.csv and the ledger data/items.csv.

python -m stages.extract data/raw data/images data/texts.csv data/table_labels.csv data/items.csv
"""

import shutil
from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import Field

from quire.command import BadInput, Positive, machine, run
from quire.decode import MAX_PIXELS
from quire.items.groups import equal_across, with_groups
from quire.items.keys import is_utf8, item_key, printable, refuse_shared_keys
from quire.items.ledger import file_rows, raw_files, rejected
from quire.items.readers.cache import Cache
from quire.items.readers.kinds import Bounds, Source
from quire.items.readers.reading import progress, read_files
from quire.items.readers.table import is_table
from quire.items.removed import removed_keys, tombstones, without_removed
from quire.items.rows import Columns, with_tables
from quire.items.tables import Item, write_table

NAMED = 10  # images in a message


def extract(
    raw: Path,
    images: Path,
    texts: Path,
    labels: Path,
    items: Path,
    *,
    source: Source,
    dpi: Positive,
    max_pages: Positive,
    max_pixels: Annotated[int, Field(ge=1, le=MAX_PIXELS)],
    min_side: Positive,
    max_images: Positive,
    max_bytes: Positive,
    max_memory: Positive,
    max_shared: Positive,
    max_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)],
    table: Columns | None,
) -> None:
    """Write images, texts and labels of all in `raw`, and a ledger with a row for each item and each file that gives none.

    A file is read in a process of its own within bounds, so that a hostile one costs one row; what was found in a file of the
    same content before is taken from the cache. Raises BadInput where there is nothing to keep, or one key for two sources.
    """
    removed = removed_keys(raw)
    files = [file for file in raw_files(raw) if item_key(printable(file)) not in removed]
    bounds = Bounds(source, dpi, max_pages, max_pixels, min_side, max_images, max_bytes, max_memory)
    cache = Cache(machine().cache / "extract", bounds)
    partial = images.with_name(images.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tables = [file for file in files if table and is_table(file)]
    named = [file for file in files if is_utf8(file) and file not in tables]
    ledger = [rejected(printable(file), "its name is not UTF-8; rename it") for file in files if not is_utf8(file)]
    for file, (sha256, reason) in progress(named, read_files([raw / file for file in named], cache, max_seconds)):
        ledger += [rejected(file, reason)] if reason else without_removed(file_rows(file, sha256, cache, partial), removed, partial)
    ledger = with_tables(raw, table or Columns(), tables, ledger, texts, labels, removed)
    refuse_shared_keys(ledger)
    ledger += tombstones(removed)
    _report(ledger, len(files), raw)
    write_table(items, Item, with_groups(ledger, texts, max_shared))
    shutil.rmtree(images, ignore_errors=True)
    partial.rename(images)


def _report(ledger: list[Item], files: int, raw: Path) -> None:
    counts = Counter(row.status for row in ledger)
    for row in ledger:
        if row.status == "rejected":
            print(f"extract: rejected {row.key or row.source}: {row.reason}")
    across = equal_across(ledger)
    for key, others in across[:NAMED]:
        print(f"extract: {key}: {others} other files hold an equal image")
    if across[NAMED:]:
        print(f"extract: and {len(across) - NAMED} more images that several files hold")
    print(f"extract: {files} files, {counts['kept']} kept, {counts['repeat']} repeats, {counts['rejected']} rejected")
    if not counts["kept"]:
        raise BadInput(f"{raw}: nothing to keep in {files} files; the first: {ledger[0].source}: {ledger[0].reason}")


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    run(extract)


if __name__ == "__main__":
    main()
