"""What the service remembers: which answers it gave, and the labels that people sent for them.

Answers are rows of a SQLite file that all workers share. A label is a CSV file of its own, named by the answer's
id, as `import_labels` reads it: `quire add --annotations feedback` brings the new ones in.
"""

import csv
import io
import json
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from service.errors import Refused
from service.inference import Classified
from service.settings import Settings

# The last three say where an image of a PDF stood: the hash of the PDF's bytes, the page, the index on the page.
COLUMNS = {
    "id": "TEXT PRIMARY KEY",
    "time": "REAL",
    "sha256": "TEXT",
    "prediction": "TEXT",
    "decision": "TEXT",
    "reason": "TEXT",
    "confidence": "REAL",
    "probabilities": "TEXT",
    "unfamiliarity": "REAL",
    "width": "INTEGER",
    "height": "INTEGER",
    "model": "TEXT",
    "document": "TEXT",
    "page": "INTEGER",
    "position": "INTEGER",
}
INSERT = f"INSERT INTO answers ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
DAY, HOUR = 86400, 3600  # seconds


@dataclass(frozen=True)
class Origin:
    """The PDF that an image was sent in: the hash of its bytes, page and index, both from 0."""

    document: str
    page: int
    index: int


class Store:
    """The log of answers and the feedback folder. Safe for threads and for several processes."""

    def __init__(self, settings: Settings, model: str) -> None:
        self.settings, self.model = settings, model
        self.images = settings.store / "images"
        settings.store.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.database = sqlite3.connect(settings.store / "answers.db", timeout=10, check_same_thread=False, isolation_level=None)
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.execute("PRAGMA synchronous=NORMAL")  # an answer may be lost with the machine, never with the process
        self._create_table()
        self.forgotten = 0.0

    def _create_table(self) -> None:
        """Make the table, or give one of an earlier release the columns that it lacks."""
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        self.database.execute(f"CREATE TABLE IF NOT EXISTS answers ({columns})")
        there = {row[1] for row in self.database.execute("PRAGMA table_info(answers)")}
        for name in [name for name in COLUMNS if name not in there]:
            self.database.execute(f"ALTER TABLE answers ADD COLUMN {name} {COLUMNS[name]}")

    def log(self, classified: Classified, data: bytes | None, origin: Origin | None = None) -> None:
        """Remember an answer, and its image where configuration says so; once an hour, forget what is too old."""
        if time.time() - self.forgotten > HOUR:
            self.forget()
        answer = classified.answer
        row = (
            classified.id,
            time.time(),
            classified.sha256,
            answer.prediction,
            answer.decision,
            answer.reason,
            answer.confidence,
            json.dumps(answer.probabilities),
            answer.unfamiliarity,
            classified.width,
            classified.height,
            self.model,
            *((origin.document, origin.page, origin.index) if origin else (None, None, None)),
        )
        with self.lock:
            self.database.execute(INSERT, row)
        if data is not None and answer.decision == "unsure" and self.settings.keep_images in ("unsure", "both"):
            self._keep(classified.sha256, data)

    def find(self, answer: str) -> tuple[str, str]:
        """The hash of the image that the answer of that id was for, and its prediction. Raises Refused for an unknown id."""
        with self.lock:
            row = self.database.execute("SELECT sha256, prediction FROM answers WHERE id = ?", (answer,)).fetchone()
        if row is None:
            raise Refused("unknown_id", f"no answer has the id {answer[:64]!r}")
        return str(row[0]), str(row[1])

    def give_label(self, answer: str, label: str, labels: list[str], subject: str, image: bytes | None) -> bool:
        """Keep a person's label for an answer; true where it confirms the prediction.

        Raises Refused for an unknown id or label, and for a second label.
        """
        sha256, prediction = self.find(answer)
        if label not in labels:
            raise Refused("unknown_label", f"{label[:64]!r} is none of {', '.join(labels)}")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([("key", "sha256", "label", "annotator"), (answer, sha256, label, f"feedback {subject}")])
        try:
            with (self.settings.store / f"{answer}.csv").open("x", encoding="utf-8") as stream:
                stream.write(text.getvalue())
        except FileExistsError as error:
            raise Refused("already_given", f"the answer {answer} has a label already") from error
        if image is not None and self.settings.keep_images in ("feedback", "both"):
            self._keep(sha256, image)
        return label == prediction

    def forget(self) -> None:
        """Delete kept images, and the log's answers, older than the days that configuration says."""
        self.forgotten = time.time()
        oldest = self.forgotten - self.settings.keep_days * DAY
        for path in self.images.glob("*"):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
        with self.lock:
            self.database.execute("DELETE FROM answers WHERE time < ?", (oldest,))

    def _keep(self, sha256: str, data: bytes) -> None:
        self.images.mkdir(exist_ok=True)
        Path(self.images, sha256).write_bytes(data)
