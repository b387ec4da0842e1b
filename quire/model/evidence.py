"""Why a text gets its answer: the n-grams that speak for the first label over the second, and those that speak against it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from quire.model.analyser import CHARACTERS, Analyser
from quire.model.predictor import Answer, Predictor, run

SHOWN = 6  # n-grams for, and as many against


@dataclass(frozen=True)
class Evidence:
    """An n-gram, and what it adds to the log-odds of the first label over the second."""

    ngram: str
    weight: float


def evidence(predictor: Predictor, text: str, first: str, second: str) -> tuple[list[Evidence], list[Evidence]]:
    """What speaks for `first` over `second`, and what against, the weightiest first: of the text alone, by the text's own graph.

    N-grams that share a column share its weight; one of them, the longest, is named.
    """
    counts = predictor.analyser.counts(text)
    if not len(counts.columns):
        return [], []
    (parts,) = run(predictor.text, ("evidence",), columns=counts.columns, counts=counts.counts)  # (K, C)
    odds = parts[:, predictor.labels.index(first)] - parts[:, predictor.labels.index(second)]  # (K,)
    names = _names(predictor.analyser, text)
    order = np.argsort(-odds, kind="stable")
    found = [Evidence(names[int(counts.columns[row])], round(float(odds[row]), 4)) for row in order if odds[row]]
    return [each for each in found if each.weight > 0][:SHOWN], [each for each in found[::-1] if each.weight < 0][:SHOWN]


def evidence_of(predictor: Predictor, text: str, answer: Answer) -> tuple[list[Evidence], list[Evidence]]:
    """What in a text speaks for its answer's prediction over the next label, and what against."""
    return evidence(
        predictor, text, answer.prediction, runner_up(answer.probabilities, answer.probabilities.values(), answer.prediction)
    )


def runner_up(labels: Iterable[str], probabilities: Iterable[float], first: str) -> str:
    """The likeliest label but the first."""
    return max(((share, label) for share, label in zip(probabilities, labels, strict=True) if label != first))[1]


def _names(analyser: Analyser, text: str) -> dict[int, str]:
    names = dict[int, str]()
    for ngram in analyser.ngrams(analyser.fold(text)):
        column = analyser.column(ngram)
        if len(ngram) > len(names.get(column, "")):
            names[column] = ngram
    return {column: _shown(ngram) for column, ngram in names.items()}


def _shown(ngram: str) -> str:
    """Words as they are; characters with dots where the word goes on."""
    kind, signs = ngram[0], ngram[1:]
    if kind != CHARACTERS:
        return signs
    return f"{'' if signs.startswith(' ') else '…'}{signs.strip()}{'' if signs.endswith(' ') else '…'}"
