"""Templates in quire/report/templates, filled in so that no name in the data can break the page."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
# What means something in Markdown or HTML. An underscore inside a word does not.
SPECIAL = re.compile(r"[\\`*|<>\[\]&~$\n\r]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def escape_markdown(value: object) -> object:
    """Text in which each special character is its HTML entity, which Markdown shows as the character and no more."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return Markup(SPECIAL.sub(lambda found: f"&#{ord(found[0])};", value))  # noqa: S704 - what is special is escaped


def render(template: str, **values: object) -> str:
    """The template with its values, each escaped for Markdown or for HTML, whichever the template is."""
    finalize = escape_markdown if template.endswith(".md") else None
    loader = FileSystemLoader(TEMPLATES, encoding="utf-8")
    environment = Environment(
        loader=loader, autoescape=True, finalize=finalize, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template(template).render(values)
