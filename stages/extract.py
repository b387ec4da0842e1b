"""Take the images out of the PDFs: data/raw → data/images and the ledger data/items.csv.

python -m stages.extract data/raw data/images data/items.csv
"""

import hashlib
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FileTimeout
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pebble import ProcessExpired, ProcessPool
from pydantic import Field
from tqdm import tqdm

from quire.command import BadInput, Positive, run
from quire.decode import MAX_PIXELS
from quire.items.keys import item_key, refuse_shared_keys
from quire.items.readers.pdf import READ_ERRORS, PageImage, Source, UnreadablePdf, is_repeat, open_pdf, page_images
from quire.items.tables import Item, write_table

Work = TypeVar("Work")


def extract(
    raw: Path,
    images: Path,
    items: Path,
    *,
    source: Source,
    dpi: Positive,
    max_pages: Positive,
    max_pixels: Annotated[int, Field(ge=1, le=MAX_PIXELS)],
    max_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)],
) -> None:
    """Write the images of all files in `raw` and a ledger with a row for each image and each unreadable file.

    A file is given `max_seconds` in a process of its own, so that a hostile one costs one row.
    Raises BadInput where `raw` holds nothing to keep.
    """
    documents = sorted(path.relative_to(raw).as_posix() for path in _files(raw))
    partial = images.with_name(images.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    bounds = {"source": source, "dpi": dpi, "max_pages": max_pages, "max_pixels": max_pixels}
    ledger = _in_processes(raw, partial, documents, bounds, max_seconds)
    refuse_shared_keys(ledger)
    _keep_only(partial, ledger)
    _report(ledger, len(documents), raw)
    write_table(items, Item, ledger)
    shutil.rmtree(images, ignore_errors=True)
    partial.rename(images)


def _files(raw: Path) -> list[Path]:
    if not raw.is_dir():
        raise BadInput(f"{raw}: no such folder")
    found = [path for path in raw.rglob("*") if path.is_file() and not path.name.startswith(".")]
    if not found:
        raise BadInput(f"{raw}: no file in it; `make data PDFS=<folder>` brings yours")
    return found


def _in_processes(raw: Path, images: Path, documents: list[str], bounds: dict[str, Any], max_seconds: float) -> list[Item]:
    with ProcessPool(max_workers=os.cpu_count() or 1) as pool:
        futures = []
        for document in documents:
            arguments = (raw / document, document, images)
            futures.append(pool.schedule(extract_file, arguments, bounds, timeout=max_seconds))
        ledger = []
        for document, future in _progress(list(zip(documents, futures, strict=True))):
            try:
                ledger += future.result()
            except FileTimeout:
                ledger.append(_rejected(document, f"not done after {max_seconds:g} s"))
            except ProcessExpired as error:
                ledger.append(_rejected(document, f"its process died: {error}"))
    return ledger


def _progress(work: list[Work]) -> Iterator[Work]:
    """A bar on a terminal, a line for every hundred files in a log."""
    if sys.stderr.isatty():
        yield from tqdm(work, "extract", unit="file")
        return
    for number, each in enumerate(work, start=1):
        yield each
        if number % 100 == 0:
            print(f"extract: {number} of {len(work)} files", flush=True)


def extract_file(
    path: Path, document: str, images: Path, *, source: Source, dpi: int, max_pages: int, max_pixels: int
) -> list[Item]:
    """Write one file's images into `images`; return its rows of the ledger."""
    try:
        document.encode()
        pdf = open_pdf(path.read_bytes(), max_pages)
        rows = [_write(image, document, images) for image in page_images(pdf, source, dpi, max_pixels)]
    except UnicodeEncodeError:
        return [_rejected(document.encode(errors="surrogateescape").decode(errors="replace"), "its name is not UTF-8; rename it")]
    except (UnreadablePdf, *READ_ERRORS) as error:
        return [_rejected(document, str(error))]
    damage = " (damaged, repaired on opening)" if pdf.is_repaired else ""
    return _mark_repeat(rows) or [_rejected(document, f"no image on its pages{damage}")]


def _write(image: PageImage, document: str, images: Path) -> Item:
    key = item_key(document, image.page, image.index)
    size: dict[str, Any] = {"width": image.width or None, "height": image.height or None}
    if image.problem:
        return Item(key=key, source=document, page=image.page, index=image.index, status="rejected", reason=image.problem, **size)
    file = f"{key}.{image.extension}"
    (images / file).write_bytes(image.data)
    sha256 = hashlib.sha256(image.data).hexdigest()
    return Item(
        key=key, source=document, page=image.page, index=image.index, status="kept", image=file, image_sha256=sha256, **size
    )


def _mark_repeat(rows: list[Item]) -> list[Item]:
    """Mark the last image of a document as a repeat where its content equals the first's."""
    taken = [row for row in rows if row.status == "kept"]
    if not is_repeat([str(row.image_sha256) for row in taken]):
        return rows
    repeat = replace(taken[-1], status="repeat", reason=f"equals {taken[0].key}", image=None)
    return [repeat if row is taken[-1] else row for row in rows]


def _rejected(document: str, reason: str) -> Item:
    return Item(key=None, source=document, status="rejected", reason=reason)


def _keep_only(images: Path, ledger: list[Item]) -> None:
    """Delete what the ledger does not keep: repeats, and what a file that was stopped had written."""
    kept = {row.image for row in ledger if row.image}
    for path in images.iterdir():
        if path.name not in kept:
            path.unlink()


def _report(ledger: list[Item], files: int, raw: Path) -> None:
    counts = Counter(row.status for row in ledger)
    for row in ledger:
        if row.status == "rejected":
            print(f"extract: rejected {row.key or row.source}: {row.reason}")
    print(f"extract: {files} files, {counts['kept']} kept, {counts['repeat']} repeats, {counts['rejected']} rejected")
    if not counts["kept"]:
        raise BadInput(f"{raw}: no image to keep in {files} files; the first: {ledger[0].source}: {ledger[0].reason}")


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    run(extract)


if __name__ == "__main__":
    main()
