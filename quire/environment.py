"""Where and how things run: what the environment says. It changes no result, so it stands in no parameter."""

import os
from pathlib import Path

from quire.command import BadInput


def cache_folder(name: str) -> Path:
    """A folder for what can be made anew, safe to delete: below QUIRE_CACHE, else below the user's own cache."""
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("QUIRE_CACHE") or users / "quire") / name


def workers() -> int:
    """How many processes work at once: QUIRE_WORKERS, else one a processor. Raises BadInput for what is no such number."""
    said = os.environ.get("QUIRE_WORKERS") or str(os.cpu_count() or 1)
    if not said.isdecimal() or int(said) < 1:
        raise BadInput(f"QUIRE_WORKERS: {said!r} is no whole number from 1")
    return int(said)
