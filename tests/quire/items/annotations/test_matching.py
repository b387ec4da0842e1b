import base64
from typing import Any

import pytest

from quire.command import BadInput
from quire.items.annotations.label_studio import read_label_studio
from quire.items.annotations.matching import Ledger, Match, matched, readings
from quire.items.annotations.votes import Export, Remark, Vote
from quire.items.tables import Item


def item(source: str, page: int | None = 0, **fields: Any) -> Item:
    """The item of a file, of a PDF its first image, of the content `sha-<source>`."""
    name = source.replace("/", "__")
    known: dict[str, Any] = {"key": name if page is None else f"{name.removesuffix('.pdf')}_page0_index0", "index": page}
    known |= {"status": "kept", "image_sha256": f"sha-{source}", "image": f"{known['key']}.jpg"}
    return Item(source=source, page=page, **known | fields)


def vote(name: str, **fields: Any) -> Vote:
    return Vote(**{"name": name, "annotator": "1", "label": "cat", "source": "e.json", "place": ""} | fields)


def found(ledger: list[Item], name: str, *others: str, **fields: Any) -> Match:
    """What a name means in an export that also has the others."""
    said = vote(name, **fields)
    return Ledger(ledger, [Export(said.source, [said, *map(vote, others)])]).find(said)


def test_a_name_is_read_with_all_its_folders_first() -> None:
    assert list(readings("b/x.jpg")) == ["b__x.jpg", "b__x", "x.jpg", "x"]
    assert list(readings("C:\\b\\x.v1")) == ["C:__b__x.v1", "b__x.v1", "x.v1"]
    assert list(readings("cafe\u0301.PNG")) == ["caf\u00e9.PNG", "caf\u00e9"]
    assert list(readings("/")) == []


X, AX, BX = item("x.pdf"), item("a/x.pdf"), item("b/x.pdf")


@pytest.mark.parametrize(
    "name",
    [
        "x_page0_index0",
        "x_page0_index0.png",
        "images/x_page0_index0.JPG",
        "a-x_page0_index0.jpg",
        "a__x_page0_index0",
        "a/x_page0_index0.png",
    ],
)
def test_the_one_item_that_fits_is_meant(name: str) -> None:
    assert found([AX, item("z.pdf")], name) == Match("a__x_page0_index0")


def test_a_name_that_fits_several_items_means_none_and_names_them() -> None:
    assert found([AX, BX], "x_page0_index0.png") == Match(None, "one of several", ("a__x_page0_index0", "b__x_page0_index0"))
    assert found([X, AX], "x_page0_index0.png") == Match(None, "one of several", ("x_page0_index0", "a__x_page0_index0"))
    assert found([X, AX], "gone_page0_index0.png") == Match(None, "absent")


def test_an_export_of_todays_keys_means_the_item_of_that_key() -> None:
    """It was pulled by today's version, or it names an item of a subfolder as earlier versions did not."""
    assert found([X, AX], "x_page0_index0", "a__x_page0_index0") == Match("x_page0_index0")
    assert found([X, AX], "x_page0_index0", "a-x_page0_index0").key is None
    assert found([X, AX, item("z.pdf")], "x_page0_index0", "z_page0_index0").key is None
    assert found([X, AX], "x_page0_index0", source="new/ecotag-quire-20260101T000000Z-0a1b2c3d.json") == Match("x_page0_index0")
    assert found([AX, BX], "x_page0_index0", "a__x_page0_index0").key is None


def test_the_content_tells_items_of_one_name_apart() -> None:
    assert found([X, AX], "x_page0_index0", sha256="sha-a/x.pdf") == Match("a__x_page0_index0")
    assert found([X, AX], "x_page0_index0", sha256="sha-x.pdf") == Match("x_page0_index0")


def test_an_unknown_name_is_found_by_content() -> None:
    twins = [item("q.pdf", image_sha256="sha-x.pdf"), X]
    assert found(twins, "5f2d5a0c", sha256="sha-x.pdf") == Match("q_page0_index0")
    assert found(twins, "x_page0_index0", sha256="sha-x.pdf") == Match("x_page0_index0")
    assert found(twins, "5f2d5a0c", sha256="sha-of-nothing") == Match(None, "absent")


def test_a_content_that_contradicts_the_image_of_that_key_means_none() -> None:
    assert found([X, BX], "x_page0_index0", sha256="sha-b/x.pdf") == Match("b__x_page0_index0")  # it is called so, too
    other = item("other.pdf")
    assert found([X, other], "x_page0_index0", sha256="sha-other.pdf") == Match(
        None, "of another content", ("x_page0_index0", "other_page0_index0")
    )
    assert found([X], "x_page0_index0", sha256="sha-of-nothing") == Match(None, "of another content", ("x_page0_index0",))
    assert found([AX], "x_page0_index0", sha256="sha-of-nothing") == Match(None, "of another content", ("a__x_page0_index0",))


def test_a_row_that_is_not_kept_keeps_its_labels_from_its_neighbours() -> None:
    lost = item("20240101-scan.pdf", status="rejected", image_sha256=None)
    assert found([lost, item("scan.pdf")], "20240101-scan_page0_index0.png", other_name="scan_page0_index0.png") == Match(
        None, "rejected"
    )
    assert found([item("scan.pdf")], "20240101-scan_page0_index0.png", other_name="scan_page0_index0.png") == Match(
        "scan_page0_index0"
    )
    repeat = item("y.pdf", status="repeat", image_sha256="sha-x.pdf")
    assert found([X, repeat], "y_page0_index0") == Match(None, "repeat")
    assert found([X, repeat], "y_page0_index0", sha256="sha-x.pdf") == Match("x_page0_index0")  # the same image, and it is kept
    assert found([repeat], "y_page0_index0", sha256="sha-x.pdf") == Match(None, "repeat")


def test_an_image_file_goes_by_path_base_name_and_portable_name() -> None:
    file = item("caf\u00e9/x.jpg", None)
    for name in ("caf\u00e9__x.jpg", "caf\u00e9/x.jpg", "x.jpg", "caf{e9}__x.jpg", "cafe\u0301\\x.jpg", "caf{e9}__x.jpg.png"):
        assert found([file], name) == Match(file.key), name
    assert found([file, item("b/x.jpg", None)], "x.jpg").reason == "one of several"
    assert found([item("x.jpg", None), item("x.png", None)], "x.png") == Match("x.png")
    assert found([item("x.jpg", None), item("x.png", None)], "x.webp").reason == "one of several"


def test_votes_go_to_their_items_and_orphans_are_sorted() -> None:
    said = [vote("z"), vote("x_page0_index0"), vote("y", place="2"), vote("y", place="1")]
    ledger = Ledger([X, AX, item("w.pdf", status="repeat")], [Export("e.json", [vote("a__x_page0_index0")])])
    of_item, orphans = matched(said, ledger)
    assert of_item == {"a__x_page0_index0": [], "x_page0_index0": [said[1]]}
    assert [orphan for orphan, _ in orphans] == [said[3], said[2], said[0]]


def test_a_remark_is_found_as_a_vote_is() -> None:
    remark = Remark(kind="skipped", name="gone", source="e.json", sha256="sha-x.pdf")
    assert Ledger([X], []).find(remark) == Match("x_page0_index0")


def _labelled(image: str, *sources: str) -> str | None:
    """The key that a Label Studio export means by the address of an image, where these PDFs are there."""
    tasks = [{"id": 1, "data": {"image": image}, "annotations": [{"completed_by": 1, "result": [CHOICE]}]}]
    export = read_label_studio(tasks, "e.json")
    return Ledger([item(source) for source in sources], [export]).find(export.votes[0]).key


CHOICE = {"type": "choices", "value": {"choices": ["cat"]}}
PROXIED = base64.b64encode(b"s3://b/data/50%_page0_index0.png").decode()


@pytest.mark.parametrize(
    ("image", "source"),
    [
        ("/data/local-files/?d=images/a_page0_index0.png", "a.pdf"),
        ("/data/local-files/?d=images%2Fa%20b_page0_index0.png", "a b.pdf"),
        ("http://host:8080/data/local-files/?d=a%2523_page0_index0.png", "a%23.pdf"),
        ("/data/upload/1/0a1b2c3d-my_file_1_page0_index0.png", "my file (1).pdf"),
        ("/data/upload/1/0a1b2c3d-a1_page0_index0.png", "a#1.pdf"),
        ("/data/upload/1/0a1b2c3d-cafe_page0_index0.png", "caf\u00e9.pdf"),
        ("/data/upload/1/0a1b2c3d-caf%C3%A9_page0_index0.png", "caf\u00e9.pdf"),
        ("s3://b/a#1_page0_index0.png", "a#1.pdf"),
        ("s3://b/a?_page0_index0.png", "a?.pdf"),
        ("gs://b/x/50%25_page0_index0.png", "50%25.pdf"),
        ("azure-blob://b/a;b_page0_index0.png", "a;b.pdf"),
        ("https://host/b/a%20b_page0_index0.png?X-Amz-Signature=1", "a b.pdf"),
        (f"/tasks/1/resolve/?fileuri={PROXIED}", "50%.pdf"),
        (f"/projects/1/presign/?fileuri={PROXIED}", "50%.pdf"),
    ],
)
def test_label_studios_addresses_name_the_image(image: str, source: str) -> None:
    assert _labelled(image, source, "other.pdf") == f"{source.removesuffix('.pdf')}_page0_index0"


def test_an_address_gives_no_label_to_an_image_of_another_name() -> None:
    assert _labelled("s3://b/a%20b_page0_index0.png", "a%20b.pdf", "a b.pdf") == "a%20b_page0_index0"
    assert _labelled("s3://b/a%20b_page0_index0.png", "a b.pdf") is None
    assert _labelled("/data/upload/1/0a1b2c3d-a_b_page0_index0.png", "a b.pdf", "a_b.pdf") == "a_b_page0_index0"
    assert _labelled("/data/upload/1/0a1b2c3d-a_b_page0_index0.png", "a b.pdf", "a (b).pdf", "a_(b).pdf") is None


def test_a_proxied_address_that_is_none_is_named() -> None:
    with pytest.raises(BadInput, match="fileuri is no base64"):
        _labelled("/tasks/1/resolve/?fileuri=%%%", "a.pdf")
