"""The text expert: a head on tf-idf, its answers out of fold, and the weights by which it is pooled alone and with the image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import csr_array
from scipy.special import log_softmax

from quire.command import cores
from quire.model.analyser import Analyser
from quire.training.heads import Floats, Head
from quire.training.pooling import fit_weights, pooled
from quire.training.sparse_head import solve_sparse
from quire.training.text import inverse_document_frequencies, tf_idf

MANY, FEW = 20_000, 3  # texts from which on the folds are joined, to so many
START_TEXT, START_BOTH = np.ones(1), np.ones(2)
RIDGE = 0.01  # on the balance of image and text: little, for which of the two knows more is each client's own


class TextSettings(BaseModel):
    """What `train.text` in params.yaml says: the analyser, and the ridge beside the sum of all texts' losses."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    analyser: Analyser
    ridge: float = Field(gt=0, allow_inf_nan=False)


@dataclass(frozen=True)
class TextExpert:
    """What the text graph is made of: the head, and the columns' frequencies, (V,)."""

    head: Head
    frequencies: Floats

    def logits(self, counts: csr_array) -> Floats:
        """(N, V) → (N, C)."""
        return self.head.logits(tf_idf(counts, self.frequencies))

    def unfamiliarity(self, counts: csr_array) -> Floats:
        """(N, V) → (N,): the mean frequency of a text's n-grams over the greatest there is, 1 without any."""
        present = csr_array((np.ones(counts.nnz), counts.indices, counts.indptr), counts.shape)
        ngrams = np.diff(counts.indptr)
        return np.asarray(np.where(ngrams, present @ self.frequencies / np.maximum(ngrams, 1) / self.frequencies.max(), 1))


@dataclass(frozen=True)
class HeldOutText:
    """Out-of-fold answers of N items by some set of modalities, and the weights that are served."""

    logits: Floats  # (N, C), pooled, each fold's weights fitted on the others
    unfamiliarity: Floats  # (N,)
    weights: Floats  # (E,), fitted on all of them


def fit_text(counts: csr_array, targets: NDArray[np.int64], classes: int, strength: float) -> TextExpert:
    """The expert of counts (N, V) and targets (N,); the ridge of `strength` stands beside the sum of N losses."""
    frequencies = inverse_document_frequencies(counts)
    everything = np.ones((len(targets), 1), bool)
    (head,) = solve_sparse(tf_idf(counts, frequencies), targets, everything, classes, strength, cores())
    return TextExpert(head, frequencies)


def out_of_fold_text(
    counts: csr_array, targets: NDArray[np.int64], fold_of: NDArray[np.int64], classes: int, strength: float
) -> HeldOutText:
    """Each text's answer by an expert of the other folds; of many texts by one of three, for a fit takes time.

    How common an n-gram is, by which features are weighed, is counted over all texts, for no label goes into it; how unfamiliar
    a text is, over the other folds' alone.
    """
    fold_of = fold_of % FEW if len(targets) > MANY else fold_of
    folds, features = np.unique(fold_of), tf_idf(counts, inverse_document_frequencies(counts))
    heads = solve_sparse(features, targets, fold_of[:, None] != folds, classes, strength, cores())
    logits, unfamiliarity = np.zeros((len(targets), classes)), np.zeros(len(targets))
    for fold, head in zip(folds, heads, strict=True):
        out = fold_of == fold
        logits[out] = head.logits(features[out])
        unfamiliarity[out] = TextExpert(head, inverse_document_frequencies(counts[~out])).unfamiliarity(counts[out])
    return pooled_out_of_fold(logits[:, None], unfamiliarity, targets, fold_of, START_TEXT)


def out_of_fold_both(
    image: Floats, text: Floats, unfamiliarity: Floats, targets: NDArray[np.int64], fold_of: NDArray[np.int64]
) -> HeldOutText:
    """The image's and the text's pooled logits, (N, C) each, made one: as log-probabilities, whose balance starts even."""
    opinions = np.stack([log_softmax(image, axis=1), log_softmax(text, axis=1)], axis=1)
    return pooled_out_of_fold(opinions, unfamiliarity, targets, fold_of, START_BOTH)


def pooled_out_of_fold(
    opinions: Floats, unfamiliarity: Floats, targets: NDArray[np.int64], fold_of: NDArray[np.int64], start: Floats
) -> HeldOutText:
    """Opinions (N, E, C) pooled, each fold by weights that the others' fit (nested)."""
    logits = np.zeros((len(targets), opinions.shape[2]))
    for fold in np.unique(fold_of):
        seen, out = fold_of != fold, fold_of == fold
        logits[out] = pooled(opinions[out], fit_weights(opinions[seen], targets[seen], start, RIDGE))
    return HeldOutText(logits, unfamiliarity, fit_weights(opinions, targets, start, RIDGE))
