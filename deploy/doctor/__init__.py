"""One line a check, each with its remedy: what `quire doctor` says."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """What a check found: whether it is in order, wants a remedy, or could not be looked at, and why."""

    check: str
    state: Literal["ok", "fix", "skip"]
    said: str
    remedy: str = ""
