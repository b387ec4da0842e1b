"""The command `quire`: every command that takes arguments. Each imports what it needs when it is called."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from quire.command import BadInput
from quire.commands.batches import BATCHES
from quire.commands.group import group
from quire.commands.labels import labels
from quire.commands.store import store

HERE, DATA = Path(), Path("data")
Demo = Literal["images", "reviews", "catalogue"]


app = group(
    "Bring data in, explain and trace answers, prove results, promote models. `make help` lists what sets things up.",
    is_whole=True,
)
app.add_typer(labels, name="labels")
app.add_typer(store, name="store")


@app.command()
def add(
    source: Annotated[Path | None, typer.Argument(help="A folder, a zip or a file: PDFs and images.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="An export of labels, or a folder of them.")] = None,
    challenge: Annotated[Path | None, typer.Option(help="A folder of images that are never trained on.")] = None,
) -> None:
    """Bring your data in, tracked by DVC. They take the demo's place; without an export, folders of images name the labels.

    Example: quire add ~/pdfs --annotations ~/export.json
    """
    from quire.lifecycle.add import add

    print(f"add: {add(source, annotations=annotations, challenge=challenge, folder=DATA)}")


@app.command()
def demo(kind: Annotated[Demo, typer.Argument(help="PDFs of images, a table of reviews, or one of products.")] = "images") -> None:
    """Draw a demo and its labels, where data/raw is empty. That of a table sets params.yaml as its example has it.

    Example: quire demo reviews
    """
    if any((DATA / "raw").glob("*")):
        raise BadInput(f"{DATA / 'raw'} is not empty, and the demo would mix with what is there")
    from quire.demo.demo import demo, table_demo

    if kind == "images":
        demo(DATA)
    else:
        table_demo(kind, DATA, HERE / "params.yaml", HERE / "examples")


@app.command()
def explain(item: Annotated[str, typer.Argument(help="An image's file, or the key of an item.")]) -> None:
    """Tell why an item gets its answer. The places or words that speak for it, and the training images most like it.

    Example: quire explain demo-001_page1_index0
    """
    from quire.lifecycle.explain import explain

    explain(item, DATA / "images", DATA / "texts.csv", HERE / "model", HERE / "reports/explain")


@app.command()
def trace(
    subject: Annotated[str, typer.Argument(help="An image's SHA-256, key or file, an answer's id, or a model's file.")],
) -> None:
    """Lead an answer, an image or a model back to its origin. Document, labels, training run and commit.

    Example: quire trace demo-001_page1_index0
    """
    from quire.provenance.trace import trace

    for name, fact in trace(Path.cwd(), subject):
        print(f"{name:14} {fact}")


@app.command()
def prove(
    commit: Annotated[str, typer.Argument(help="Any name that git has for it.")] = "HEAD",
    here: Annotated[
        bool,
        typer.Option("--here", help="Make nothing: ask whether the figures that lie here are the commit's, within a tolerance."),
    ] = False,
    elsewhere: Annotated[
        bool, typer.Option("--elsewhere", help="Train and evaluate what lies here as other processors would: four variants.")
    ] = False,
    emulate: Annotated[str, typer.Option(help="The same as a processor that qemu emulates, such as Haswell: minutes.")] = "",
) -> None:
    """Make a commit's results anew, and compare. From nothing but the commit; against its dvc.lock, byte by byte.

    Example: quire prove v1.2
    """
    from quire.provenance.prove import compare_here, prove

    if elsewhere or emulate:
        raise typer.Exit(_prove_elsewhere(emulate))

    found = compare_here(Path.cwd(), commit) if here else prove(Path.cwd(), commit)
    print(found.report())
    raise typer.Exit(0 if found.is_identical or (here and found.has_equal_figures) else 1)


def _prove_elsewhere(processor: str) -> int:
    from quire.provenance.elsewhere import VARIANTS, elsewhere

    states = {}
    for variant in [processor] if processor else VARIANTS:
        states[variant] = elsewhere(Path.cwd(), variant, emulated=bool(processor))
        print(f"prove: {variant}: {'DIFFERENT: ' + ', '.join(states[variant]) if states[variant] else 'identical'}", flush=True)
    return int(any(states.values()))


@app.command()
def promote(
    margin: Annotated[float, typer.Option(help="How much of the champion's right answers may be lost, net.", min=0, max=1)] = 0.05,
    accept: Annotated[str | None, typer.Option(help="Where too few documents show that: who accepts it, and why.")] = None,
) -> None:
    """Make the committed model the champion in MLflow. If its gate lets it, and held-out documents show that it is no worse.

    Example: quire promote --margin 0.02
    """
    from quire.lifecycle.promote import promote

    promoted, said = promote(Path.cwd(), margin, accept)
    print(f"promote: {said}")
    raise typer.Exit(0 if promoted else 1)


@app.command()
def rollback() -> None:
    """Go back to the champion before the present one.

    Example: quire rollback
    """
    from quire.lifecycle.promote import rollback

    print(f"rollback: {rollback(Path.cwd())}")


@app.command()
def drift(
    logs: Annotated[list[Path] | None, typer.Argument(help="The service's logs, one a pod.")] = None,
    since: Annotated[str | None, typer.Option(help="A commit: ask of the images that came in since.")] = None,
    days: Annotated[float | None, typer.Option(help="Of the logs, the last so many days.")] = None,
) -> None:
    """Ask whether what comes in has changed. Ends with 0 where nothing drifted, 1 where something did, 2 where that cannot be said.

    Example: quire drift feedback/answers.db --days 30
    """
    from quire.lifecycle.drift import drift

    try:
        drifted = drift(Path.cwd(), since, logs or [], days)
    except (BadInput, OSError) as error:
        typer.echo(f"drift: error: {error}", err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(1 if drifted else 0)


@app.command()
def doctor() -> None:
    """Check this machine, project and store. A line for each check, with its remedy.

    Example: quire doctor
    """
    from deploy.doctor.checks import diagnose

    findings = diagnose(Path.cwd())
    for finding in findings:
        print(f"{finding.state:5}{finding.check:13}{finding.said}{f' → {finding.remedy}' if finding.remedy else ''}")
    if wanting := [finding.check for finding in findings if finding.state == "fix"]:
        raise BadInput(f"{', '.join(wanting)}: see the remedy in each line")


@app.command()
def summary() -> None:
    """Say what `dvc repro` made. In a few lines, and how it stands to the committed results.

    Example: quire summary
    """
    from quire.report.summary import comparison, summary

    print(summary(DATA, HERE / "reports"))
    print(f"results   {comparison(Path.cwd())}")


for command in BATCHES:
    app.command()(command)


def main() -> None:
    """Run as a command."""
    app(prog_name="quire")
