"""The most anonymous memory of `train` on N drawn images and on ten times as many: what lies in files does not count.

python -m benchmarks.memory [N]     default 300, Linux only
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from quire.demo.drawing import draw, encoded
from quire.items.tables import Assignment, Item, Label, write_table

TIMES = 10
EVERY = 0.02  # seconds between two looks
KINDS = ("cat", "dog", "other")


def draw_project(folder: Path, count: int) -> None:
    """So many drawn images, a document each, with the tables that `train` reads."""
    (folder / "images").mkdir()
    random, items, labels, split = Random(20), [], [], []
    for number in range(count):
        content, key = encoded(draw(KINDS[number % 3], random)), f"{number:06}"
        (folder / "images" / f"{key}.jpg").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        items.append(Item(key=key, source=f"{key}.pdf", status="kept", image=f"{key}.jpg", image_sha256=sha256, group=f"{key}.pdf"))
        labels.append(Label(key, KINDS[number % 3], 1, 1.0))
        tenth = number // 3 % 10
        split.append(Assignment(key, {0: "test", 1: "validation"}.get(tenth, "train"), tenth or None))  # type: ignore[arg-type]
    write_table(folder / "items.csv", Item, items)
    write_table(folder / "labels.csv", Label, labels)
    write_table(folder / "split.csv", Assignment, split)


def most(count: int) -> float:
    """The most anonymous memory, in MB, of a `train` on so many images, with no features known."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        draw_project(folder, count)
        names = ("images", "items.csv", "labels.csv", "split.csv", "model", "reports")
        surroundings = os.environ | {"QUIRE_CACHE": str(folder / "cache"), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        command = [sys.executable, "-m", "stages.train", *(str(folder / name) for name in names)]
        with subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL) as running:
            peak = 0
            while running.poll() is None:
                peak = max(peak, _anonymous(running.pid))
                time.sleep(EVERY)
        if running.returncode:
            sys.exit(f"train on {count} images failed")
    return peak / 1000


def _anonymous(process: int) -> int:
    """RssAnon in kB; 0 of a process that has ended."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=300)
    count = parser.parse_args().count
    few, many = most(count), most(TIMES * count)
    print("| images | most anonymous memory, MB |\n|---|---|")
    print(f"| {count} | {few:.0f} |\n| {TIMES * count} | {many:.0f} |\n| ratio | {many / few:.2f} |")


if __name__ == "__main__":
    main()
