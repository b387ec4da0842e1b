"""What became champion when, and why: deploy/promotions.csv, a line for each promotion, refusal and rollback.

It is for people to read; which model is the champion, and which was before, the registry says.
"""

import csv
from datetime import UTC, datetime
from pathlib import Path

HISTORY = "deploy/promotions.csv"
COLUMNS = ["time", "action", "version", "model", "commit", "reason"]


def append(root: Path, action: str, version: str | None, model: str, commit: str, reason: str) -> None:
    """Write one more line, with the time."""
    path = root / HISTORY
    path.parent.mkdir(exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if stream.tell() == 0:
            writer.writerow(COLUMNS)
        writer.writerow([datetime.now(UTC).isoformat(timespec="seconds"), action, version or "", model, commit, reason])
