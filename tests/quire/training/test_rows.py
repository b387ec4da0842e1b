from pathlib import Path

import numpy as np
import pytest

from quire.training.rows import Rows, chunks, in_file


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


def test_images_lie_in_a_file_that_is_gone_with_them(tmp_path: Path) -> None:
    images = np.arange(5 * 2 * 2 * 3, dtype=np.uint8).reshape(5, 2, 2, 3)
    squares = in_file(iter(images), 5, 2, tmp_path / "cache")
    chosen = squares[np.array([True, False, False, True, True])][np.array([2, 0])]
    assert isinstance(chosen.pixels, np.memmap)
    assert chosen.pixels is squares.pixels
    assert list((tmp_path / "cache").iterdir()) == []
    assert np.array_equal(chosen.image(0), images[4])
    assert type(chosen.image(0)) is np.ndarray
    assert [batch.shape[0] for batch in squares.batches(2)] == [2, 2, 1]
    assert np.array_equal(np.concatenate(list(chosen.batches(1))), images[[4, 0]])
