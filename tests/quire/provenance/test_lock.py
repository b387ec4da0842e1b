import hashlib
from pathlib import Path

import pytest
from git import Repo

from quire.command import BadInput
from quire.provenance.lock import LOCK, Difference, differences, promised, read_lock
from tests.conftest import commit

BEFORE = """
stages:
  extract:
    deps: [{path: data/raw, md5: a}, {path: code.py, md5: b}]
    params: {params.yaml: {extract: {dpi: 150, ratios: {train: 0.8}}}}
    outs: [{path: items.csv, md5: c}]
  split:
    deps: [{path: items.csv, md5: c}]
    outs: [{path: split.csv, md5: d}]
"""


def test_equal_locks_differ_in_nothing() -> None:
    assert differences(read_lock(BEFORE), read_lock(BEFORE)) == []


def test_what_differs_is_named_once_and_in_the_order_of_the_stages() -> None:
    changed = BEFORE.replace("md5: c", "md5: x").replace("md5: b", "md5: y").replace("0.8", "0.7").replace("md5: d", "md5: z")
    assert differences(read_lock(BEFORE), read_lock(changed)) == [
        Difference("extract", "input", "code.py"),
        Difference("extract", "parameter", "extract.ratios.train"),
        Difference("extract", "output", "items.csv"),
        Difference("split", "output", "split.csv"),
    ]


def test_a_stage_that_only_one_lock_has_is_named() -> None:
    assert differences(read_lock(BEFORE), {}) != []


@pytest.mark.parametrize("text", ["", "schema: '2.0'", "stages:\n<<<<<<< HEAD\n", "[]"])
def test_what_is_no_lock_is_an_error_of_one_line(text: str) -> None:
    with pytest.raises(BadInput, match=r"^dvc\.lock: not a lock of DVC's: [^\n]+$"):
        read_lock(text)


def test_a_commit_that_promises_nothing_we_can_make_is_refused(tmp_path: Path) -> None:
    Repo.init(tmp_path)
    commit(tmp_path, "nothing")
    with pytest.raises(BadInput, match=r"HEAD: the commit has no dvc\.lock, so it promises no result: `make repro`"):
        promised(tmp_path, "HEAD")
    (tmp_path / LOCK).write_text("stages: {extract: {deps: [{path: service/decode.py, md5: a}]}}")
    commit(tmp_path, "before the library lay in quire/")
    with pytest.raises(BadInput, match=r"HEAD: its dvc\.lock is of an earlier layout of this repository"):
        promised(tmp_path, "HEAD")
    (tmp_path / LOCK).write_text(BEFORE)
    commit(tmp_path, "now")
    assert promised(tmp_path, "HEAD") == read_lock(BEFORE)
    with pytest.raises(BadInput, match="nowhere: no such commit here"):
        promised(tmp_path, "nowhere")


def test_the_committed_lock_is_of_the_code_that_is_here() -> None:
    """Where this fails: `make repro`, then commit dvc.lock with the code."""
    lock = read_lock(Path(LOCK).read_text(encoding="utf-8"))
    code = {dep["path"]: dep["md5"] for stage in lock.values() for dep in stage["deps"] if dep["path"].endswith(".py")}
    assert code == {path: hashlib.md5(Path(path).read_bytes()).hexdigest() for path in code}
