import hashlib
import hmac

import pytest

from quire.command import BadInput
from quire.items.annotations.pseudonyms import VARIABLE, pseudonyms_of
from quire.items.annotations.votes import Vote

KEY = "0123456789abcdef" * 2


def votes(*said: tuple[str, str]) -> list[Vote]:
    return [Vote(name="a", annotator=who, label="cat", source="e.json", place="", date=date) for who, date in said]


def test_people_are_numbered_in_the_order_of_their_first_answers() -> None:
    said = votes(("csv:zoe", ""), ("ecotag:2", "2026-03"), ("ecotag:10", "2026-02"), ("ecotag:2", "2026-01"), ("csv:amy", ""))
    expected = {"ecotag:2": "annotator 1", "ecotag:10": "annotator 2", "csv:amy": "annotator 3", "csv:zoe": "annotator 4"}
    assert pseudonyms_of(said, "numbered") == expected
    assert pseudonyms_of(said[::-1], "numbered") == expected


def test_later_answers_of_new_people_move_no_number() -> None:
    said = votes(("ecotag:2", "2026-01"), ("ecotag:3", "2026-02"))
    before = pseudonyms_of(said, "numbered")
    assert before.items() <= pseudonyms_of([*said, *votes(("ecotag:1", "2026-03"))], "numbered").items()


def test_a_key_gives_a_person_the_same_name_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    digest = hmac.new(KEY.encode(), b"ecotag:2", hashlib.sha256).hexdigest()
    assert pseudonyms_of(votes(("ecotag:2", "2026-01")), "keyed") == {"ecotag:2": f"annotator {digest[:16]}"}
    both = pseudonyms_of(votes(("ecotag:1", "2025-01"), ("ecotag:2", "2026-01")), "keyed")
    assert both["ecotag:2"] == f"annotator {digest[:16]}"
    monkeypatch.setenv(VARIABLE, KEY[::-1])
    assert pseudonyms_of(votes(("ecotag:2", "2026-01")), "keyed") != {"ecotag:2": f"annotator {digest[:16]}"}


def test_numbers_do_not_depend_on_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    assert pseudonyms_of(votes(("ecotag:2", "")), "numbered") == {"ecotag:2": "annotator 1"}


@pytest.mark.parametrize("key", ["", KEY[1:]])
def test_a_missing_or_short_key_is_said(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(VARIABLE, key)
    with pytest.raises(
        BadInput, match=rf"{VARIABLE} has {len(key)} characters, fewer than 32, and import_labels.pseudonyms is keyed"
    ):
        pseudonyms_of([], "keyed")
