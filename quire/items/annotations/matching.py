"""Which item an export means: by the name that it gives the image, and by the image's SHA-256 where it says that."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from quire.items.annotations.exports import is_pulled
from quire.items.annotations.votes import Export, Remark, Vote
from quire.items.keys import IMAGE_EXTENSIONS, older_keys, portable
from quire.items.removed import REMOVED
from quire.items.tables import Item


@dataclass(frozen=True)
class Match:
    """The key of the kept item that a name means; where that is None, why it means none, and the keys that it could mean."""

    key: str | None
    reason: str = ""
    candidates: tuple[str, ...] = ()


def readings(name: str) -> Iterator[str]:
    """The keys that a name can stand for: `b/x.jpg` is `b__x.jpg`, `b__x`, `x.jpg` or `x`, the likeliest first."""
    parts = [part for part in re.split(r"[/\\]", unicodedata.normalize("NFC", name)) if part]
    for start in range(len(parts)):
        joined = "__".join(parts[start:])
        yield joined
        stem, _, extension = joined.rpartition(".")
        if stem and f".{extension.lower()}" in IMAGE_EXTENSIONS:
            yield stem


def uploaded_name(name: str) -> str:
    """A file's name as Label Studio keeps it: blanks become `_`, and all but letters, digits and `-_.` goes."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))


class Ledger:
    """The rows of the ledger by all that exports may call them.

    A label must not move to another document because a neighbour came. So the first reading of a name that fits any row, kept
    or not, is the only one; a name that fits several rows means none, unless the SHA-256 tells or the export is known to use
    today's keys; and a SHA-256 that contradicts the row of that key means none.
    """

    def __init__(self, items: Iterable[Item], exports: Iterable[Export]) -> None:
        self.rows = {item.key: item for item in items if item.key is not None}
        self.kept = {key: self.rows[key] for key in sorted(self.rows) if self.rows[key].status == "kept"}
        self.own = {portable(key): key for key in self.rows} | {key: key for key in self.rows}
        self.older: dict[str, list[str]] = defaultdict(list)
        for key in sorted(self.rows):
            for name in older_keys(self.rows[key]):
                self.older[name].append(key)
        self.by_content: dict[str | None, list[str]] = defaultdict(list)
        for key, item in self.kept.items():
            self.by_content[item.image_sha256].append(key)
        self.todays = {export.source for export in exports if self._uses_todays_keys(export)}

    def find(self, said: Vote | Remark) -> Match:
        """The kept item that is meant, by the first reading of its name that fits and, where it is given, by SHA-256."""
        own, *older = next(filter(any, map(self._fitting, (said.name, said.other_name))), [None])
        fits = [key for key in (own, *older) if key]
        if not fits and said.other_name:
            named = (key for reading in readings(said.other_name) for key in self._uploaded.get(reading, ()))
            fits = list(dict.fromkeys(named))
        if said.sha256:
            return self._of_content(said.sha256, own, fits)
        if own and said.source in self.todays:
            fits = [own]
        if len(fits) != 1:
            return Match(None, "one of several" if fits else "absent", tuple(fits))
        return self._kept(fits[0])

    @cached_property
    def _uploaded(self) -> dict[str, list[str]]:
        """The rows by the names that an upload to Label Studio gives them: as Django's `get_valid_filename`, of NFC and of NFD."""
        found: dict[str, list[str]] = defaultdict(list)
        for key in sorted(self.rows):
            names = {key, *older_keys(self.rows[key])}
            for name in {uploaded_name(unicodedata.normalize(form, name)) for name in names for form in ("NFC", "NFD")}:
                found[unicodedata.normalize("NFC", name)].append(key)
        return found

    def _uses_todays_keys(self, export: Export) -> bool:
        """Whether `quire labels pull` wrote it, or it names an item of a subfolder by the key that only today's version gives."""
        named = (self._fitting(vote.name) for vote in export.votes)
        return is_pulled(export.source) or any("/" in self.rows[own].source and not older for own, *older in named if own)

    def _fitting(self, name: str) -> list[str | None]:
        """Of the first reading that fits a row: the key that it is, or None, and the keys that are called so besides."""
        for reading in readings(name):
            own = self.own.get(reading)
            older = [key for key in self.older.get(reading, ()) if key != own]
            if own or older:
                return [own, *older]
        return [None]

    def _of_content(self, sha256: str, own: str | None, fits: list[str]) -> Match:
        """The item of that content: one of those that the name fits, else any, but none where the row of that key has another."""
        same = self.by_content.get(sha256, [])
        agreeing = [key for key in fits if key in self.kept and self.rows[key].image_sha256 in (sha256, None)]
        if agreeing:
            return Match(agreeing[0])
        if own and self.rows[own].image_sha256 not in (sha256, None):
            return Match(None, "of another content", (own, *same))
        if same:
            return Match(same[0])
        return self._kept(own) if own else Match(None, "of another content" if fits else "absent", tuple(fits))

    def _kept(self, key: str) -> Match:
        row = self.rows[key]
        return Match(key) if key in self.kept else Match(None, REMOVED if row.reason == REMOVED else row.status)


def matched(votes: Iterable[Vote], ledger: Ledger) -> tuple[dict[str, list[Vote]], list[tuple[Vote, Match]]]:
    """The votes on each kept item, by key, and the orphans with the reason why they mean none, by name."""
    of_item: dict[str, list[Vote]] = {key: [] for key in ledger.kept}
    orphans = []
    for vote in votes:
        match = ledger.find(vote)
        if match.key is None:
            orphans.append((vote, match))
        else:
            of_item[match.key].append(vote)
    return of_item, sorted(orphans, key=lambda orphan: (orphan[0].name, orphan[0].source, orphan[0].place))
