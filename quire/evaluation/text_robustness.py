"""The same text written otherwise: which answers stay when only that changed."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypedDict

import numpy as np

from quire.evaluation.metrics import Figure, share
from quire.model.predictor import Predictor
from quire.training.proportions import Documents

MOST = 1000  # texts; of more, so many are drawn with a seed


class TextStays(TypedDict):
    """Shares of the predictions and of the decisions that stay."""

    predictions: Figure
    decisions: Figure


class TextRobustness(TypedDict):
    """What stays through each change, and of how many texts; each is answered alone, without its image."""

    texts: int
    changes: dict[str, TextStays]


def without_accents(text: str) -> str:
    """Every letter without the marks above and below it."""
    return "".join(sign for sign in unicodedata.normalize("NFD", text) if not unicodedata.combining(sign))


def typo_a_word(text: str) -> str:
    """In each word of four letters or more the middle two are swapped."""
    return " ".join(_swapped(word) if len(word) > 3 else word for word in text.split())


def _swapped(word: str) -> str:
    middle = len(word) // 2
    return f"{word[: middle - 1]}{word[middle]}{word[middle - 1]}{word[middle + 1 :]}"


def first_half(text: str) -> str:
    """The first half of the words, at least one."""
    words = text.split()
    return " ".join(words[: max(len(words) // 2, 1)])


CHANGES: dict[str, Callable[[str], str]] = {
    "upper_case": str.upper,
    "without_accents": without_accents,
    "a_typo_a_word": typo_a_word,
    "first_half": first_half,
    "html_around_it": lambda text: f'<div class="text"><p>{text}</p><br/></div>',
}


def text_robustness(
    predictor: Predictor, texts: Mapping[str, str], keys: Sequence[str], documents: Documents, seed: int
) -> TextRobustness | None:
    """Per change the share of answers that stay; documents are (N,), those of the keys. None where none has a text that is read."""
    there = [row for row, key in enumerate(keys) if key in texts and predictor.reads(image=False, text=True)]
    if not there:
        return None
    chosen = sorted(Random(seed).sample(there, min(MOST, len(there))))
    plain = [predictor.classify_item(None, texts[keys[row]]) for row in chosen]

    def stays(change: Callable[[str], str]) -> TextStays:
        new = [predictor.classify_item(None, change(texts[keys[row]])) for row in chosen]
        pairs = list(zip(plain, new, strict=True))
        return {
            "predictions": share(np.array([old.prediction == answer.prediction for old, answer in pairs]), documents[chosen]),
            "decisions": share(np.array([old.decision == answer.decision for old, answer in pairs]), documents[chosen]),
        }

    return {"texts": len(chosen), "changes": {name: stays(change) for name, change in CHANGES.items()}}
