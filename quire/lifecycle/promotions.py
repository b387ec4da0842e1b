"""What became champion when, and why: deploy/promotions.csv, a line for each promotion, refusal and rollback."""

import csv
from datetime import UTC, datetime
from pathlib import Path

HISTORY = "deploy/promotions.csv"
COLUMNS = ["time", "action", "version", "model", "commit", "reason"]

Event = dict[str, str]  # a line of the history, by the names of its columns


def champions(history: list[Event]) -> list[Event]:
    """The champions that a history leaves standing, the present one last: a rollback takes the last away."""
    standing: list[Event] = []
    for event in history:
        if event["action"] == "promoted":
            standing.append(event)
        elif event["action"] == "rolled back":
            standing.pop()
    return standing


def read_history(root: Path) -> list[Event]:
    """All that happened so far, the first first."""
    if not (root / HISTORY).exists():
        return []
    with (root / HISTORY).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def append(root: Path, action: str, version: str | None, model: str, commit: str, reason: str) -> None:
    """Write one more line, with the time."""
    path = root / HISTORY
    path.parent.mkdir(exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if stream.tell() == 0:
            writer.writerow(COLUMNS)
        writer.writerow([datetime.now(UTC).isoformat(timespec="seconds"), action, version or "", model, commit, reason])
