import pytest

from stages.naming import document_names, key_of


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


def test_case_and_extension_do_not_tell_names_apart() -> None:
    assert document_names(["a/X.pdf", "b/x.PDF"]) == {"a/X.pdf": "a-X", "b/x.PDF": "b-x"}


def test_a_name_that_is_taken_even_so_is_none() -> None:
    assert document_names(["a/x.pdf", "a-x.pdf", "x.pdf"]) == {"a/x.pdf": None, "a-x.pdf": None, "x.pdf": "x"}
