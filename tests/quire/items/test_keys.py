import pytest

from quire.items.keys import document_names, key_of, portable, unportable


@pytest.mark.parametrize(
    ("file_name", "key"),
    [
        ("a_page0_index0.png", "a_page0_index0"),
        ("a_page0_index0.JPEG", "a_page0_index0"),
        ("v1.2_page0_index0", "v1.2_page0_index0"),
        ("folder/a_page0_index0.jpg", "a_page0_index0"),
        ("cafe\u0301_page0_index0.png", "café_page0_index0"),
    ],
)
def test_the_key_is_the_name_without_its_extension(file_name: str, key: str) -> None:
    assert key_of(file_name) == key


def test_namesakes_are_told_apart_by_their_folders() -> None:
    assert document_names(["a/x.pdf", "b/x.pdf", "y.pdf"]) == {"a/x.pdf": "a-x", "b/x.pdf": "b-x", "y.pdf": "y"}


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Ubersicht-1_(a) b.png", "Ubersicht-1_(a) b.png"),
        ("Übersicht.png", "{dc}bersicht.png"),
        ("{dc}.png", "{7b}dc{7d}.png"),
        ("猫🐈&.png", "{732b}{1f408}{26}.png"),
    ],
)
def test_a_name_goes_in_the_characters_that_every_tool_takes_and_comes_back(name: str, sent: str) -> None:
    assert portable(name) == sent
    assert unportable(sent) == name


def test_what_even_folders_do_not_tell_apart_gets_a_hash() -> None:
    for documents in (["X.pdf", "x.PDF"], ["a/x.pdf", "a-x.pdf", "x.pdf"], ["\u00e9.pdf", "e\u0301.pdf"]):
        names = document_names(documents)
        assert len({name.casefold() for name in names.values()}) == len(documents)
        assert document_names(documents[::-1]) == names


def test_a_stem_that_ends_like_an_image_keeps_its_end() -> None:
    assert document_names(["x.png.pdf", "x.pdf"]) == {"x.png.pdf": "x.png", "x.pdf": "x"}
