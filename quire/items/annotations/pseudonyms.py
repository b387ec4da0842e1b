"""Names for annotators that do not say who they are.

`import_labels.pseudonyms` in params.yaml says which, for they change a result, `data/votes.csv`, and so may not hang on what
happens to stand in the environment of a machine:

- `numbered`, "annotator 1" to "annotator n" in the order of their first answers: the same on every machine, with no secret. A
  number holds within one votes.csv; data that come later may move it.
- `keyed`, "annotator " and 16 hexadecimal digits of HMAC-SHA256 (RFC 2104) of the annotator's id under QUIRE_PSEUDONYM_KEY:
  the same person has the same name in all batches and projects that use this key. Without the key nobody can make votes.csv
  anew, and `import_labels` says so; with another key all names are others. No other table depends on them.

The key lies outside git and DVC: it is a secret like a password, and colleagues share it as they share those. Whoever reads
data/annotations, the tools' own exports, knows the ids without it.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable
from typing import Literal

from quire.command import BadInput
from quire.items.annotations.votes import Vote

Pseudonyms = Literal["numbered", "keyed"]
VARIABLE, SHORTEST = "QUIRE_PSEUDONYM_KEY", 32  # characters: ids are few and short, so a weak key could be guessed


def pseudonyms_of(votes: Iterable[Vote], kind: Pseudonyms) -> dict[str, str]:
    """The pseudonym of each annotator. Raises BadInput where a key is wanted and missing, or too short."""
    first: dict[str, tuple[bool, str]] = {}
    for vote in votes:
        date = not vote.date, vote.date  # those without a date come last
        first[vote.annotator] = min(first.get(vote.annotator, date), date)
    if kind == "keyed":
        key = _key()
        return {annotator: f"annotator {_digest(key, annotator)[:16]}" for annotator in first}
    order = sorted(first, key=lambda annotator: (first[annotator], annotator))
    return {annotator: f"annotator {number}" for number, annotator in enumerate(order, start=1)}


def _digest(key: str, annotator: str) -> str:
    return hmac.new(key.encode(), annotator.encode(), hashlib.sha256).hexdigest()


def _key() -> str:
    key = os.environ.get(VARIABLE, "")
    if len(key) < SHORTEST:
        raise BadInput(
            f"{VARIABLE} has {len(key)} characters, fewer than {SHORTEST}, and import_labels.pseudonyms is keyed: "
            "ask who has the project's key; for a new one: openssl rand -hex 32"
        )
    return key
