"""Extraction, one process, against decoding every image to a pixmap and writing it as PNG.

python -m benchmarks.extraction [FOLDER]     default data/raw
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pymupdf

from quire.decode import MAX_PIXELS
from quire.items.readers.kinds import Bounds, read

ROUNDS = 3
BOUNDS = Bounds("embedded", 150, 1000, MAX_PIXELS, min_side=16, max_images=2000, max_bytes=2_000_000_000, max_memory=512)


def quire(path: Path, target: Path) -> None:
    """What the stage does with one file."""
    for number, found in enumerate(read(path.read_bytes(), BOUNDS)):
        (target / f"{path.stem}_{number}.{found.extension}").write_bytes(found.data)


def pixmaps(path: Path, target: Path) -> None:
    """What the usual recipe does with one file: every image decoded and written as PNG."""
    document = pymupdf.open(path)
    for page in document:
        for index, entry in enumerate(page.get_images()):
            pixels = pymupdf.Pixmap(document, entry[0])
            if pixels.colorspace.n > 3:  # PNG has no CMYK
                pixels = pymupdf.Pixmap(pymupdf.csRGB, pixels)
            pixels.save(target / f"{path.stem}_page{page.number}_index{index}.png")


def measure(extract: Callable[[Path, Path], None], files: list[Path]) -> tuple[float, int]:
    """Seconds of the fastest of some rounds, and bytes written."""
    seconds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            for path in files:
                extract(path, Path(folder))
            seconds.append(time.perf_counter() - start)
            written = sum(path.stat().st_size for path in Path(folder).iterdir())
    return min(seconds), written


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("data/raw"))
    files = [path for path in sorted(parser.parse_args().folder.rglob("*.pdf")) if _readable(path)]
    (ours, our_bytes), (theirs, their_bytes) = measure(quire, files), measure(pixmaps, files)
    print(f"{len(files)} files, one process, fastest of {ROUNDS} rounds")
    print("| | seconds | MB written |\n|---|---|---|")
    print(f"| Quire | {ours:.3f} | {our_bytes / 1e6:.1f} |")
    print(f"| every image to a pixmap, then PNG | {theirs:.3f} | {their_bytes / 1e6:.1f} |")
    print(f"| ratio | {theirs / ours:.1f} | {their_bytes / our_bytes:.1f} |")


def _readable(path: Path) -> bool:
    try:
        with pymupdf.open(path, filetype="pdf") as document:
            return not document.needs_pass and not document.is_repaired  # the recipe stops at damage
    except pymupdf.FileDataError:
        return False


if __name__ == "__main__":
    main()
