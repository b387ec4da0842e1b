import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfTransformer

from quire.model.analyser import Analyser
from quire.training.heads import GRID
from quire.training.text import count, inverse_document_frequencies, tf_idf

ANALYSER = Analyser(replacements={}, words=2, characters=(2, 5), bits=12)
TEXTS = ["bon bon produit", "mauvais produit !", "", "bon"]


def test_features_are_those_of_scikit_learn_from_the_same_counts() -> None:
    raw = np.zeros((len(TEXTS), 1 << 12))
    for row, text in zip(raw, TEXTS, strict=True):
        counts = ANALYSER.counts(text)
        row[counts.columns] = counts.counts
    peer = TfidfTransformer(sublinear_tf=True).fit_transform(raw).toarray()
    counted = count(iter(TEXTS), ANALYSER)
    features = tf_idf(counted, inverse_document_frequencies(counted)).toarray()
    assert features == pytest.approx(peer, abs=2 / GRID)
    assert np.linalg.norm(features, axis=1) == pytest.approx([1, 1, 0, 1])


def test_frequencies_lie_on_the_grid() -> None:
    frequencies = inverse_document_frequencies(count(TEXTS, ANALYSER))
    assert np.array_equal(frequencies * GRID, np.round(frequencies * GRID))
    assert np.array_equal(frequencies, frequencies.astype(np.float32))
    assert frequencies.max() == pytest.approx(np.log(5) + 1, abs=1 / GRID)
