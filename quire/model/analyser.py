"""A text to the counts of its n-grams, hashed into columns: the same in training and serving."""

import html
import re
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

TAG = re.compile(r"<[a-zA-Z/!?][^<>]*>")  # "<3" and "a < b" are none; no part of it can be read twice, so its time is linear
TOKEN = re.compile(r"\w+|[^\w\s]")
WORDS, CHARACTERS = "w", "c"  # what an n-gram is of: its name begins with it, so that the word "a" is not the letter
LONGEST, KNOWN = 32, 2**16  # words of up to so many characters, and so many of them, have their n-grams' columns kept

Count = Annotated[int, Field(ge=1, le=8)]


@dataclass(frozen=True)
class Counts:
    """How often each n-gram's column stands in one text: columns (K,) int64, ascending, and counts (K,) float32."""

    columns: NDArray[np.int64]
    counts: NDArray[np.float32]


class Analyser(BaseModel):
    """What `model.json` says of a text, and what it does: replace, fold, cut into n-grams, hash (Weinberger et al. 2009).

    `replacements` are whole words, of any case, and what stands for them. `words` is the most words in a row that an n-gram has,
    `characters` the fewest and the most characters; those lie within a word and the blanks around it. There are 2^bits columns.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    replacements: dict[Annotated[str, Field(min_length=1)], str]
    words: Count
    characters: tuple[Count, Count]
    bits: Annotated[int, Field(ge=8, le=24)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.characters[0] > self.characters[1]:
            raise ValueError(f"characters from {self.characters[0]} to {self.characters[1]} are none")
        return self

    def counts(self, text: str) -> Counts:
        """The columns of a text's n-grams; none for a text that has no letter, digit or sign."""
        columns, counts = np.unique(np.array(self._columns(self.fold(text)), np.int64), return_counts=True)
        return Counts(columns, counts.astype(np.float32))

    def fold(self, text: str) -> str:
        """Replacements made, tags stripped, entities decoded; then one way to write what looks alike (NFKC), and one case."""
        if self.replacements:
            text = self._rules.sub(lambda found: self._by_case[found[0].casefold()], text)
        text = html.unescape(TAG.sub(" ", text) if "<" in text else text)
        return unicodedata.normalize("NFKC", text).casefold()

    def ngrams(self, folded: str) -> Iterator[str]:
        """The n-grams of a folded text, each as often as it is there: what `counts` counts, by name."""
        tokens = TOKEN.findall(folded)
        for length in range(1, self.words + 1):
            for start in range(len(tokens) - length + 1):
                yield f"{WORDS}{' '.join(tokens[start : start + length])}"
        for word in folded.split():
            yield from self._within(word)

    def column(self, ngram: str) -> int:
        """The column of an n-gram's name, by CRC-32."""
        return zlib.crc32(ngram.encode(errors="surrogatepass")) & (1 << self.bits) - 1

    def _columns(self, folded: str) -> list[int]:
        """The column of each n-gram. CRC-32 goes on from where it stood, so none of them is spelt out as `ngrams` does."""
        crc32, mask = zlib.crc32, (1 << self.bits) - 1
        tokens = [token.encode(errors="surrogatepass") for token in TOKEN.findall(folded)]
        latest = [crc32(token, self._word) for token in tokens]  # of the n-gram that begins at each
        found = [state & mask for state in latest]
        for length in range(1, self.words):
            latest = [crc32(token, crc32(b" ", state)) for state, token in zip(latest, tokens[length:], strict=False)]
            found += [state & mask for state in latest]
        for word in folded.split():
            found += self._known.get(word) or self._within_word(word)
        return found

    def _within_word(self, word: str) -> list[int]:
        """The columns of what lies within a word. Common words are looked up: they are most of a text."""
        columns = [self.column(ngram) for ngram in self._within(word)]
        if len(word) <= LONGEST and len(self._known) < KNOWN:
            self._known[word] = columns
        return columns

    def _within(self, word: str) -> Iterator[str]:
        padded = f" {word} "
        fewest, most = self.characters
        for length in range(fewest, most + 1):
            for start in range(len(padded) - length + 1):
                yield f"{CHARACTERS}{padded[start : start + length]}"

    @cached_property
    def _word(self) -> int:
        return zlib.crc32(WORDS.encode())

    @cached_property
    def _known(self) -> dict[str, list[int]]:
        return {}

    @cached_property
    def _by_case(self) -> dict[str, str]:
        return {old.casefold(): new for old, new in self.replacements.items()}

    @cached_property
    def _rules(self) -> re.Pattern[str]:
        """Longest first: "ras le bol" before "ras"."""
        longest_first = sorted(self.replacements, key=lambda old: (-len(old), old))
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
