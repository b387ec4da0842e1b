"""Which commit this code is of."""

import subprocess
from pathlib import Path

ARCHIVED = "$Format:%H$"  # `git archive`, of which the bento is made, writes the commit here: see .gitattributes


def commit() -> str:
    """The commit that this code was exported from or that is checked out, or "unknown"."""
    if not ARCHIVED.startswith("$"):
        return ARCHIVED
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False, timeout=5
        )
    except OSError:  # no git here
        return "unknown"
    return done.stdout.strip() or "unknown"
