"""The log of answers and the images that are kept."""

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from quire.model.predictor import Answer
from service.errors import Refused
from service.inference import Classified
from service.loaded import Loaded
from service.settings import Settings
from service.store import DAY, Store

BY = cast(Loaded, SimpleNamespace(model=SimpleNamespace(version="model")))


def given(name: str) -> Classified:
    return Classified(name, f"sha-{name}", Answer("cat", "unsure", "low_confidence", {"cat": 0.4}, 1.5), 64, 48, BY)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(Settings(store=tmp_path, keep_images="unsure", keep_days=30))
    yield made
    made.close()


def test_what_is_kept_is_forgotten_after_the_days_that_configuration_says(store: Store) -> None:
    for name in ("old", "new"):
        store.log(given(name), b"image")
        assert store.find(name) == (f"sha-{name}", "cat")
    long_ago = time.time() - 31 * DAY
    os.utime(store.images / "sha-old", (long_ago, long_ago))
    store.database.execute("UPDATE answers SET time = ? WHERE id = 'old'", (long_ago,))
    store.forgotten = long_ago  # an hour has passed
    limit = time.monotonic() + 10
    while (store.images / "sha-old").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    assert [path.name for path in store.images.iterdir()] == ["sha-new"]
    assert store.find("new")
    with pytest.raises(Refused, match="no answer has the id 'old'"):
        store.find("old")


def test_forgetting_looks_at_no_answer_that_stays(store: Store) -> None:
    (plan,) = store.database.execute("EXPLAIN QUERY PLAN DELETE FROM answers WHERE time < 5").fetchall()
    assert "USING INDEX answers_time" in plan[-1]


def test_a_full_disk_holds_up_feedback_only_and_nothing_is_lost(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    (pages,) = store.database.execute("PRAGMA page_count").fetchone()
    store.database.execute(f"PRAGMA max_page_count = {pages}")  # as SQLite says: database or disk is full
    for number in range(200):
        store.log(given(str(number)), b"image")
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            store.give_label("0", "cat", ["cat"], "", None)
        assert (refused.value.code, list(store.settings.store.glob("*.csv"))) == ("not_kept", [])
    assert capfd.readouterr().err.count("answers are given and not kept: database or disk is full") == 1
    store.database.execute(f"PRAGMA max_page_count = {100 * pages}")
    assert [store.find(str(number))[0] for number in range(200)] == [f"sha-{number}" for number in range(200)]


def test_a_label_that_the_disk_did_not_take_can_be_given_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.log(given("an answer"), b"image")
    monkeypatch.setattr(store, "settings", store.settings.model_copy(update={"store": store.settings.store / "gone"}))
    with pytest.raises(Refused, match="cannot be kept at present"):
        store.give_label("an answer", "cat", ["cat"], "", None)
    store.settings.store.mkdir()
    assert store.give_label("an answer", "cat", ["cat"], "", None)
    with pytest.raises(Refused, match="has a label already"):
        store.give_label("an answer", "cat", ["cat"], "", None)


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    closed = Store(Settings(store=tmp_path))
    closed.log(given("the last"), b"image")
    closed.close()
    with sqlite3.connect(tmp_path / "answers.db") as database:
        assert database.execute("SELECT id FROM answers").fetchall() == [("the last",)]
    database.close()


def test_a_log_of_an_earlier_release_gets_its_columns_and_loses_its_write_ahead_log(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "answers.db") as earlier:
        earlier.execute("PRAGMA journal_mode=WAL")
        earlier.execute("CREATE TABLE answers (id TEXT PRIMARY KEY, time REAL, sha256 TEXT, prediction TEXT)")
        earlier.execute("INSERT INTO answers VALUES ('earlier', 1e12, 'sha', 'dog')")
    earlier.close()
    store = Store(Settings(store=tmp_path))
    store.log(given("now"), b"image")
    assert (store.find("earlier"), store.find("now")) == (("sha", "dog"), ("sha-now", "cat"))
    assert store.database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    store.close()


def test_a_pseudonym_hangs_on_person_and_key(tmp_path: Path) -> None:
    def named(subject: str, key: str) -> str:
        store = Store(Settings(store=tmp_path, pseudonym_key=key))  # type: ignore[arg-type]
        store.close()
        return store.pseudonym(subject)

    assert named("", "one") == named("", "") == "unnamed"
    assert named("eve", "one") == named("eve", "one")
    assert len({named("eve", "one"), named("eve", "two"), named("ada", "one"), named("eve", ""), named("eve", "")}) == 5
