"""A group of commands whose errors are one line each."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from quire.command import BadInput


class OneLine(TyperGroup):
    """Commands whose errors are one line on stderr, `<command>: error: …`: exit status 1, or 2 for a wrong use of words."""

    def invoke(self, ctx: Any) -> Any:
        """Call the command that was named."""
        try:
            return super().invoke(ctx)
        except TyperException as error:
            words = f"{ctx.command_path} {ctx.invoked_subcommand or ''}".strip()
            said, status = f"error: {' '.join(error.format_message().split()).rstrip('.')}; `{words} --help` says more", 2
        except (BadInput, OSError) as error:
            said, status = f"error: {error}", 1
        except KeyboardInterrupt:
            said, status = "broken off; the same command goes on where it stopped", 130
        print(f"{ctx.invoked_subcommand or ctx.info_name}: {said}", file=sys.stderr)
        sys.exit(status)


def group(purpose: str, *, is_whole: bool = False) -> typer.Typer:
    """An empty group of commands; called without one, the group that is the whole program prints its help."""
    return typer.Typer(
        cls=OneLine,
        help=purpose,
        no_args_is_help=is_whole,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
