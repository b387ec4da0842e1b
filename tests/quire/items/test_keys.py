from typing import Any

import pytest

from quire.command import BadInput
from quire.items.keys import item_key, older_keys, portable, refuse_shared_keys
from quire.items.tables import Item


def kept(source: str, page: int | None = 0, index: int | None = 0, **columns: Any) -> Item:
    key = item_key(source, page, index)
    return Item(**{"key": key, "source": source, "page": page, "index": index, "status": "kept", "image": f"{key}.jpg"} | columns)


@pytest.mark.parametrize(
    ("source", "page", "index", "key"),
    [
        ("x.pdf", 0, 0, "x_page0_index0"),
        ("a/x.pdf", 2, 1, "a__x_page2_index1"),
        ("a/x.PDF", 0, None, "a__x_page0"),
        ("x.png.pdf", 0, 0, "x.png_page0_index0"),
        ("cat/1.jpg", None, None, "cat__1.jpg"),
        ("cat/1", None, None, "cat__1"),
        ("cafe\u0301/x.pdf", 0, 0, "caf\u00e9__x_page0_index0"),
    ],
)
def test_a_key_is_path_and_place(source: str, page: int | None, index: int | None, key: str) -> None:
    assert item_key(source, page, index) == key


def test_an_image_of_a_pdf_goes_by_the_names_that_earlier_versions_gave() -> None:
    assert older_keys(kept("a/x.pdf", 1)) == {"x_page1_index0", "a-x_page1_index0", "a-x-7f660213_page1_index0"}
    assert older_keys(kept("caf\u00e9.pdf")) >= {"caf{e9}_page0_index0"}
    assert "x_page0_index0" not in older_keys(kept("x.pdf"))  # it is its key


def test_an_image_file_goes_by_path_and_base_name_with_and_without_extension() -> None:
    named = older_keys(kept("cat/\u00e9.jpg", None, None))
    assert named >= {
        "cat/\u00e9.jpg",
        "cat/\u00e9",
        "\u00e9.jpg",
        "\u00e9",
        "cat__\u00e9",
        "cat__{e9}.jpg",
        "cat__{e9}",
        "{e9}.jpg",
    }
    assert "cat__\u00e9.jpg" not in named


def test_a_file_that_gives_no_item_has_no_older_key() -> None:
    assert older_keys(Item(key=None, source="x.pdf", status="rejected")) == set()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (kept("a/b.pdf"), kept("a__b.pdf")),
        (kept("X.pdf"), kept("x.PDF")),
        (kept("caf\u00e9.pdf"), kept("cafe\u0301.pdf")),
        (kept("a.pdf"), kept("a_page0_index0.jpg", None, None, image="a_page0_index0.jpg")),
    ],
)
def test_two_sources_of_one_key_are_refused_and_both_named(one: Item, other: Item) -> None:
    with pytest.raises(BadInput, match=f"{one.source} and {other.source}: both would be "):
        refuse_shared_keys([one, kept("z.pdf"), other])


def test_one_source_may_have_many_keys_and_files_without_key_share_none() -> None:
    unread = [Item(key=None, source=name, status="rejected") for name in ("a.txt", "b.txt")]
    refuse_shared_keys([kept("a.pdf"), kept("a.pdf", 1), *unread])


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Ubersicht-1_(a) b.png", "Ubersicht-1_(a) b.png"),
        ("Übersicht.png", "{dc}bersicht.png"),
        ("{dc}.png", "{7b}dc{7d}.png"),
        ("猫🐈&.png", "{732b}{1f408}{26}.png"),
    ],
)
def test_a_name_goes_in_the_characters_that_every_tool_takes(name: str, sent: str) -> None:
    assert portable(name) == sent
