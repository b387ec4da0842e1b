"""`dvc push` and `dvc pull` whose failures are one line each.

DVC alone says the same thing once a file, ten thousand times where a store goes down under ten thousand images, and of a
wrong key no more than "403". Here the store is looked at first, as `quire doctor` does, and reasons are counted.
"""

import logging
import re
import sys
from collections import Counter
from pathlib import Path

from dvc.cli import main as dvc

from deploy.doctor.store import store

NEEDED = {
    "push": ("store", "clock", "credentials", "bucket", "writable", "checksums"),
    "pull": ("store", "clock", "credentials", "bucket"),
}

BROKEN_OFF = "IncompleteBody"  # MinIO says so too where its disk filled up while it read; asked once more, it names the disk


class Reasons(logging.Filter):
    """Keeps DVC's line for each file back and counts why."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to print the record: all but those of single files."""
        if not str(record.msg).startswith("failed to transfer"):
            return True
        error = record.exc_info[1] if record.exc_info else None
        reason = str((error and error.__cause__) or error)  # s3fs wraps botocore's error and says it twice
        self.counted[re.sub(r"/files/md5[^\s\"']*", "", " ".join(reason.split()))] += 1
        return False

    def watch(self) -> None:
        """Listen where DVC speaks of single files."""
        for name in ("dvc_data.hashfile.transfer", "dvc_data.index.fetch"):
            logging.getLogger(name).addFilter(self)


def refusal(what: str, project: Path) -> str | None:
    """Why the store cannot be pushed to or pulled from, with the remedy; None where it can."""
    findings = {finding.check: finding for finding in store(project)}
    if findings["store"].state == "skip":
        return findings["store"].said
    wrong = next((findings[check] for check in NEEDED[what] if findings[check].state == "fix"), None)
    return wrong and f"{wrong.said} → {wrong.remedy}"


def share(what: str, arguments: list[str]) -> None:
    """Push or pull. Exits with one line where something went wrong."""
    if refused := refusal(what, Path.cwd()):
        sys.exit(f"{what}: error: {refused}")
    reasons = Reasons()
    reasons.watch()
    status = dvc([what, *arguments])
    if any(BROKEN_OFF in reason for reason in reasons.counted):
        reasons.counted.clear()
        status = dvc([what, *arguments])
    if reasons.counted:
        why = "; ".join(f"{count} files: {reason}" for reason, count in reasons.counted.most_common(3))
        sys.exit(f"{what}: error: {why}. Nothing is lost: once more sends what is missing")
    sys.exit(status)
