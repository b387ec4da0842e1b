import os
import time
from pathlib import Path

from quire.cache import keep, name_of, open_folder


def test_an_entry_has_its_name_once_it_is_whole(tmp_path: Path) -> None:
    keep(tmp_path / "new" / "entry", b"content")
    assert (tmp_path / "new" / "entry").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["entry"]


def test_a_name_says_all_that_decides() -> None:
    assert name_of(["a", 1]) == name_of(["a", 1]) != name_of(["a", 2])


def test_what_a_killed_run_left_goes_after_a_day(tmp_path: Path) -> None:
    for name in ("partial-old", "partial-new"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "partial-old", (time.time() - 100_000,) * 2)
    open_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["partial-new"]
