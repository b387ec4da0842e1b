from typing import Literal

from quire.items.groups import equal_across, with_groups
from quire.items.tables import Item


def item(source: str, content: str | None, status: Literal["kept", "repeat", "rejected"] = "kept") -> Item:
    return Item(key=f"{source}-{content}", source=source, status=status, image_sha256=content)


def groups(*items: Item) -> list[str | None]:
    return [row.group for row in with_groups(items)]


def test_a_source_alone_is_its_group() -> None:
    assert groups(item("a.pdf", "1"), item("a.pdf", "2"), item("b.pdf", "3")) == ["a.pdf", "a.pdf", "b.pdf"]


def test_sources_with_equal_images_are_one_group_through_others_too() -> None:
    chain = [item("d", "1"), item("c", "1"), item("c", "2"), item("b", "2"), item("b", "3"), item("a", "3"), item("e", "4")]
    assert groups(*chain) == ["a"] * 6 + ["e"]
    assert groups(*chain[::-1]) == ["e"] + ["a"] * 6


def test_repeats_join_and_what_has_no_image_joins_nothing() -> None:
    assert groups(item("b", "1", "repeat"), item("a", "1"), item("x", None, "rejected"), item("y", None, "rejected")) == [
        "a",
        "a",
        "x",
        "y",
    ]


def test_an_image_that_many_sources_hold_joins_none_and_is_a_group_of_its_own() -> None:
    documents = [item(source, content) for source in "abcdef" for content in ("logo", source)]
    assert groups(*documents) == [name for source in "abcdef" for name in ("sha256:logo", source)]
    assert set(groups(*documents[:10])) == {"a"}
    assert groups(item("a", "logo", "repeat"), *documents)[0] == "sha256:logo"
    assert [row.group for row in with_groups(documents[:6], max_shared=2)] == [
        "sha256:logo",
        "a",
        "sha256:logo",
        "b",
        "sha256:logo",
        "c",
    ]


def test_a_long_chain_takes_no_long_time() -> None:
    chain = [item(f"{number:06}", str(number + side)) for number in range(5_000) for side in (0, 1)]
    assert set(groups(*chain)) == {"000000"}


def test_contents_of_several_sources_are_named_the_commonest_first() -> None:
    rows = [
        item("a", "1"),
        item("a", "1", "repeat"),
        item("b", "1"),
        item("c", "2"),
        item("d", "2"),
        item("e", "2"),
        item("f", "3"),
    ]
    rejected = [item("g", "3", "rejected"), item("h", None), item("i", None)]
    assert equal_across([*rows, *rejected]) == [("c-2", 2), ("a-1", 1)]
