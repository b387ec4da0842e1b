import json
from datetime import UTC, datetime
from pathlib import Path

from labelling.agreement import cohens_kappa
from labelling.pull import keep
from labelling.status import conflicts, finished
from labelling.tool import Pulled
from quire.items.annotations.exports import newest
from quire.items.annotations.votes import Vote

JAN, FEB = (datetime(2026, month, 1, 12, tzinfo=UTC) for month in (1, 2))


def export(*names: str) -> bytes:
    return json.dumps({"annotations": [{"fileName": name} for name in names]}).encode()


def test_an_export_is_kept_to_the_byte_beside_the_older_ones(tmp_path: Path) -> None:
    first = keep(export("a"), "ecotag-quire", tmp_path / "new", JAN)
    second = keep(export("a", "b"), "ecotag-quire", tmp_path / "new", FEB)
    assert first
    assert second
    assert first.name.startswith("ecotag-quire-20260101T120000Z-")
    assert (first.read_bytes(), second.read_bytes()) == (export("a"), export("a", "b"))
    assert newest([first, second]) == ([second], [first])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [first.name, second.name]


def test_what_differs_in_order_only_is_not_kept_twice_and_what_was_undone_is(tmp_path: Path) -> None:
    assert keep(export("a", "b"), "ecotag-quire", tmp_path, JAN)
    assert keep(export("b", "a"), "ecotag-quire", tmp_path, FEB) is None
    assert keep(export("a"), "ecotag-quire", tmp_path, FEB)
    assert keep(export("a", "b"), "ecotag-quire", tmp_path, datetime(2026, 3, 1, tzinfo=UTC))


def test_projects_with_a_common_beginning_are_kept_apart(tmp_path: Path) -> None:
    assert keep(export("a"), "ecotag-quire", tmp_path, JAN)
    assert keep(export("a"), "ecotag-quire-unsure-12345678", tmp_path, JAN)
    assert len(newest(list(tmp_path.iterdir()))[0]) == 2


def test_an_image_is_finished_when_as_many_people_answered_as_were_asked() -> None:
    said = [("a", "1", "cat"), ("a", "2", "dog"), ("b", "1", "cat"), ("b", "1", "dog")]
    votes = [Vote(name=name, annotator=who, label=label, source="", place="") for name, who, label in said]
    pulled = Pulled(b"", frozenset("abc"), votes)
    assert finished(pulled, 1) == {"a", "b"}
    assert finished(pulled, 2) == {"a"}
    assert conflicts(pulled) == {"a": [("1", "cat"), ("2", "dog")], "b": [("1", "cat"), ("1", "dog")]}


def test_kappa_is_of_the_images_that_both_labelled() -> None:
    one = {"a": "cat", "b": "cat", "c": "dog", "d": "dog", "e": "cat"}
    assert list(cohens_kappa(one, {"a": "cat", "b": "dog", "c": "dog", "d": "dog"})) == [
        "agree on 75% of 4 images, Cohen's kappa 0.50"
    ]
    assert list(cohens_kappa(one, {"a": "cat", "b": "cat"})) == ["agree on 100% of 2 images; kappa is not defined with one label"]
    assert list(cohens_kappa(one, {"z": "cat"})) == []
