"""The command `quire`: every command that takes arguments. `quire --help` is the map."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from quire.command import BadInput

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@contextmanager
def one_line(command: str) -> Iterator[None]:
    """Bad input and failures of the machine are one line on stderr and exit status 1."""
    try:
        yield
    except (BadInput, OSError) as error:
        sys.exit(f"{command}: error: {error}")


@app.callback()
def quire() -> None:
    """Every command that takes arguments."""


def main() -> None:
    """Run as a command."""
    app()
