import pytest
from markupsafe import Markup

from quire.report.render import escape_markdown


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("a|b", "a&#124;b"),
        ("<b>", "&#60;b&#62;"),
        ("`x`", "&#96;x&#96;"),
        ("[a](b)", "&#91;a&#93;(b)"),
        ("*a* _b_ \\", "&#42;a&#42; &#95;b&#95; &#92;"),
        ("&lt;", "&#38;lt;"),
        ("two\nlines", "two&#10;lines"),
        ("cross_validation.accuracy", "cross_validation.accuracy"),
        ("Persian cat, 12 % – Ü", "Persian cat, 12 % – Ü"),
    ],
)
def test_what_means_something_in_markdown_is_shown_as_it_is(name: str, escaped: str) -> None:
    assert escape_markdown(name) == escaped


def test_numbers_and_what_is_escaped_already_stay() -> None:
    assert escape_markdown(0.5) == 0.5
    assert escape_markdown(Markup("<sub>")) == "<sub>"
