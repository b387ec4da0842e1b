import os
import time
from pathlib import Path

import pytest

from quire.cache import kept, name_of, open_folder


def test_a_file_is_made_once_and_anew_where_it_is_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = [kept(tmp_path / "new", "name", lambda path: path.write_bytes(b"content")) for _ in range(2)]
    assert made[0] == made[1]
    assert kept(tmp_path / "new", "name", lambda _: pytest.fail("made again")).read_bytes() == b"content"
    made[0].write_bytes(b"conten")
    assert kept(tmp_path / "new", "name", lambda path: path.write_bytes(b"content")).read_bytes() == b"content"
    assert capsys.readouterr().out == f"{made[0]}: damaged, so it is made anew\n"
    assert list((tmp_path / "new").iterdir()) == [made[0]]


def test_a_name_says_all_that_decides() -> None:
    assert name_of(["a", 1]) == name_of(["a", 1]) != name_of(["a", 2])


def test_what_a_killed_run_left_goes_after_a_day(tmp_path: Path) -> None:
    for name in ("partial-old", "partial-new"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "partial-old", (time.time() - 100_000,) * 2)
    open_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["partial-new"]
