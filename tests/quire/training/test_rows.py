import numpy as np
import pytest

from quire.training.rows import Rows, chunks


def test_rows_are_chosen_without_reading_and_read_as_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [np.arange(6, dtype=np.float32).reshape(3, 2), 10 + np.arange(4, dtype=np.float32).reshape(2, 2)]
    rows = Rows(parts, np.array([1, 0, 0, 1]), np.array([0, 2, 0, 1]))
    assert rows.shape == (4, 2)
    assert np.asarray(rows).tolist() == [[10, 11], [4, 5], [0, 1], [12, 13]]
    assert np.asarray(rows[np.array([True, False, True, False])]).tolist() == [[10, 11], [0, 1]]
    monkeypatch.setattr("quire.training.rows.CHUNK", 3)
    read = list(chunks(rows))
    assert [chunk.tolist() for chunk in read] == [[[10, 11], [4, 5], [0, 1]], [[12, 13]]]
    assert {chunk.dtype for chunk in read} == {np.dtype(np.float64)}
    assert [chunk.shape for chunk in chunks(rows[:0])] == [(0, 2)]
