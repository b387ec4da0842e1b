"""A text's features: term frequencies by inverse document frequencies, of unit length (Salton and Buckley 1988)."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from quire.items.tables import read_csv
from quire.model.analyser import Analyser
from quire.training.heads import GRID, Floats


def count(texts: Iterable[str], analyser: Analyser) -> csr_array:
    """1 + log of how often each n-gram stands in each text: (N, 2^bits) float64, sparse. The texts are read one by one."""
    columns, values, ends = array("i"), array("d"), array("q", [0])
    for text in texts:
        counts = analyser.counts(text)
        columns.frombytes(counts.columns.astype(np.intc).tobytes())
        values.frombytes((1 + np.log(counts.counts.astype(np.float64))).tobytes())
        ends.append(len(columns))
    return csr_array(
        (np.frombuffer(values), np.frombuffer(columns, np.intc), np.frombuffer(ends, np.int64)),
        shape=(len(ends) - 1, 1 << analyser.bits),
    )


def count_keys(texts: Path, keys: Sequence[str], analyser: Analyser) -> csr_array:
    """The same for those texts of a table whose keys are named, (N,), in their order; the others are passed over."""
    wanted, place_of = set(keys), dict[str, int]()

    def named() -> Iterator[str]:
        for row in read_csv(texts):
            if row["key"] in wanted:
                place_of[row["key"]] = len(place_of)
                yield row["text"]

    counts = count(named(), analyser)
    return csr_array(counts[[place_of[key] for key in keys]])


def inverse_document_frequencies(counts: csr_array) -> Floats:
    """log((1 + N) / (1 + n)) + 1 for a column that stands in n of N texts, (2^bits,), on the grid of the weights."""
    documents: NDArray[np.int64] = np.bincount(counts.indices, minlength=counts.shape[1])
    return np.asarray(np.round((np.log((1 + counts.shape[0]) / (1 + documents)) + 1) * GRID) / GRID)


def tf_idf(counts: csr_array, frequencies: Floats) -> csr_array:
    """Each count (N, V) by its column's frequency (V,), rows of unit length; a text without n-grams stays 0."""
    weighted = csr_array(counts @ diags_array(frequencies))
    lengths = np.sqrt(weighted.power(2).sum(1))
    return csr_array(diags_array(1 / np.where(lengths > 0, lengths, 1)) @ weighted)
