"""A life with the data: many answers at once, batch after batch, and what must go."""

from pathlib import Path
from typing import Annotated, Literal

import typer

HERE, DATA = Path(), Path("data")


def predict(
    sources: Annotated[list[Path], typer.Argument(help="Folders, PDFs and images.")],
    out: Annotated[Path, typer.Option(help="The table to write: .csv or .parquet.")],
    model: Annotated[Path, typer.Option(help="A folder, or models:/quire@champion.")] = HERE / "model",
) -> None:
    """Answer for all that lies in folders, PDFs and images. Ends with 0 where each item has an answer, 3 where some have none.

    Example: quire predict photos --out answers.csv
    """
    from quire.lifecycle.predict import predict

    said, failed = predict(sources, out, model)
    print(f"predict: {said}")
    raise typer.Exit(3 if failed else 0)


def remove(subject: Annotated[str, typer.Argument(help="An item's key, or a file's path below data/raw.")]) -> None:
    """Let an item or a file leave data, labels, log and feedback. Its key alone stays, so that it is not taken in again.

    Example: quire remove demo-001.pdf
    """
    import os

    from quire.lifecycle.remove import remove

    print(f"remove: {remove(subject, DATA, Path(os.environ.get('QUIRE_STORE', 'feedback')))}")


def cycle(
    source: Annotated[Path | None, typer.Argument(help="The folder that batches come into.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="An export of labels, or a folder of them.")] = None,
    tool: Annotated[Literal["ecotag", "label-studio"] | None, typer.Option(help="Pull its labels, too.")] = None,
) -> None:
    """Pull, add, repro, gate, promote, push, in a clone. 0: promoted or nothing new, 3: refused, 75: another is at work.

    Example: quire cycle /srv/incoming
    """
    from quire.lifecycle.cycle import Busy, Refused, cycle

    try:
        print(f"cycle: {cycle(Path.cwd(), source, annotations, tool)}")
    except Refused as refused:
        print(f"cycle: refused, {refused}; nothing was committed or pushed")
        raise typer.Exit(3) from refused
    except Busy as busy:
        typer.echo(f"cycle: {busy}", err=True)
        raise typer.Exit(75) from busy


def history(
    fail: Annotated[bool, typer.Option(help="End with 1 on an alert; --no-fail only says it.")] = True,
) -> None:
    """Say what each data version came to. Ends with 1 where a figure misses its level or fell by more than its interval.

    Example: quire history
    """
    from quire.lifecycle.tell import tell

    if tell(Path.cwd(), HERE / "reports") and fail:
        raise typer.Exit(1)


BATCHES = (predict, remove, cycle, history)
