"""What the service remembers: which answers it gave, and the labels that people sent for them.

Answers are rows of a SQLite file that all workers share; a thread writes them a quarter of a second after they were given, so
that no answer waits for the disk, be it slow or full. The file has no write-ahead log: that needs memory which machines do not
share, and the folder may be a network's (sqlite.org/wal.html). A label is a CSV file of its own, named by the answer's id, as
`import_labels` reads it: `quire add --annotations feedback` brings the new ones in.
"""

import csv
import hashlib
import hmac
import io
import json
import secrets
import sqlite3
import sys
import threading
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from service.errors import Refused
from service.inference import Classified
from service.settings import Settings
from service.telemetry import LOG_ERRORS

COLUMNS = (
    *("id", "time", "sha256", "prediction", "decision", "reason", "confidence", "probabilities", "unfamiliarity"),
    *("width", "height", "model", "document", "page", "position"),  # the last three of an image of a PDF: see Origin
)
INSERT = f"INSERT INTO answers ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
DAY, HOUR, PAUSE = 86400, 3600, 0.25  # seconds
WAITING = 10_000  # answers that may wait for a disk that takes nothing; then some are forgotten


@dataclass(frozen=True)
class Origin:
    """The PDF that an image was sent in: the hash of its bytes, page and index, both from 0."""

    document: str
    page: int
    index: int


class Store:
    """The log of answers and the feedback folder. Safe for threads and for several processes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.images = settings.store / "images"
        settings.store.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.database = sqlite3.connect(settings.store / "answers.db", timeout=10, check_same_thread=False, isolation_level=None)
        self.database.execute("PRAGMA journal_mode=DELETE")
        self._create_table()
        self.forgotten, self.failing = 0.0, False
        self.waiting: deque[tuple[object, ...]] = deque(maxlen=WAITING)
        self.key = settings.pseudonym_key.get_secret_value().encode() or secrets.token_bytes(32)
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._keep_writing, name="store", daemon=True)
        self.thread.start()

    def _create_table(self) -> None:
        """Make the table, or give one of an earlier release the columns that it lacks."""
        self.database.execute(f"CREATE TABLE IF NOT EXISTS answers ({', '.join(COLUMNS)}, PRIMARY KEY (id))")
        there = {row[1] for row in self.database.execute("PRAGMA table_info(answers)")}
        for name in [name for name in COLUMNS if name not in there]:
            self.database.execute(f"ALTER TABLE answers ADD COLUMN {name}")
        self.database.execute("CREATE INDEX IF NOT EXISTS answers_time ON answers (time)")

    def log(self, classified: Classified, data: bytes | None, origin: Origin | None = None) -> None:
        """Remember an answer, and its image where configuration says so."""
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
            classified.by.model.version,
            *((origin.document, origin.page, origin.index) if origin else (None, None, None)),
        )
        self.waiting.append(row)
        if data is not None and answer.decision == "unsure" and self.settings.keep_images in ("unsure", "both"):
            try:
                self._keep(classified.sha256, data)
            except OSError as error:
                self._failed(error)

    def write(self) -> None:
        """Write the answers that wait. Raises sqlite3.Error where the disk takes none; they wait on then."""
        with self.lock:
            rows = [self.waiting.popleft() for _ in range(len(self.waiting))]
            if not rows:
                return
            try:
                self.database.execute("BEGIN IMMEDIATE")
                self.database.executemany(INSERT, rows)
                self.database.execute("COMMIT")
            except sqlite3.Error:
                self.waiting.extendleft(reversed(rows))
                if self.database.in_transaction:
                    self.database.execute("ROLLBACK")
                raise

    def _keep_writing(self) -> None:
        """What the thread does: write what waits and, once an hour, forget what is too old."""
        while not self.closed.wait(PAUSE):
            try:
                self.write()
                if time.time() - self.forgotten > HOUR:
                    self.forget()
                self.failing = False
            except (sqlite3.Error, OSError) as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        LOG_ERRORS.inc()
        if not self.failing:  # a line for each time that it begins
            print(f"quire: error: {self.settings.store}: answers are given and not kept: {error}", file=sys.stderr, flush=True)
        self.failing = True

    def close(self) -> None:
        """Write what waits and stop. Raises sqlite3.Error where the disk does not take it."""
        self.closed.set()
        self.thread.join()
        with closing(self.database):
            self.write()

    def find(self, answer: str) -> tuple[str, str]:
        """The hash of the image that the answer of that id was for, and its prediction. Raises Refused for an unknown id."""
        self.write()
        with self.lock:
            row = self.database.execute("SELECT sha256, prediction FROM answers WHERE id = ?", (answer,)).fetchone()
        if row is None:
            raise Refused("unknown_id", f"no answer has the id {answer[:64]!r}")
        return str(row[0]), str(row[1])

    def give_label(self, answer: str, label: str, labels: list[str], subject: str, image: bytes | None) -> bool:
        """Keep a person's label for an answer; true where it confirms the prediction.

        Raises Refused for an unknown id or label, for another image than the answer's, for a second label, and where nothing
        can be kept.
        """
        try:
            sha256, prediction = self.find(answer)
            if label not in labels:
                raise Refused("unknown_label", f"{label[:64]!r} is none of {', '.join(labels)}")
            if image is not None and hashlib.sha256(image).hexdigest() != sha256:
                raise Refused("wrong_image", f"the answer {answer} was for another image")
            self._write_label(answer, sha256, label, f"feedback {self.pseudonym(subject)}")
            if image is not None and self.settings.keep_images in ("feedback", "both"):
                self._keep(sha256, image)
        except FileExistsError as error:
            raise Refused("already_given", f"the answer {answer} has a label already") from error
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            raise Refused("not_kept", "the label cannot be kept at present; try again later") from error
        return label == prediction

    def _write_label(self, answer: str, sha256: str, label: str, annotator: str) -> None:
        path, text = self.settings.store / f"{answer}.csv", io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([("key", "sha256", "label", "annotator"), (answer, sha256, label, annotator)])
        with path.open("xb", buffering=0) as stream:
            try:
                stream.write(text.getvalue().encode())
            except OSError:
                path.unlink()
                raise

    def pseudonym(self, subject: str) -> str:
        """A name that does not say who it is: labels travel into DVC and stay there (HMAC, RFC 2104)."""
        return hmac.new(self.key, subject.encode(), hashlib.sha256).hexdigest()[:16] if subject else "unnamed"

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
