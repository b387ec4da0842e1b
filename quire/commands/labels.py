"""`quire labels`: images to an annotation tool, and labels back."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from quire.commands.group import group

if TYPE_CHECKING:
    from labelling.parameters import Parameters
    from labelling.tool import Tool as Client

labels = group("Images to an annotation tool, and labels back.")

Tool = Annotated[Literal["ecotag", "label-studio"], typer.Option(help="Its address and token come from the environment.")]
Chosen = Literal["unsure", "disagreement", "feedback", "unlabelled"]


def _connected(tool: str) -> tuple["Client", "Parameters"]:
    from labelling.connect import connect
    from labelling.parameters import read_parameters

    parameters = read_parameters()
    return connect(tool, parameters), parameters


@labels.command()
def push(tool: Tool, only: Annotated[Chosen | None, typer.Option(help="A round of these images instead of all.")] = None) -> None:
    """Send images to be labelled: all that were kept, or a round of those whose label would teach most.

    Example: quire labels push --tool label-studio --only unsure
    """
    from labelling.push import push

    push(*_connected(tool), only)


@labels.command()
def pull(tool: Tool) -> None:
    """Fetch the labels into data/annotations, tracked by DVC.

    Example: quire labels pull --tool label-studio
    """
    from labelling.pull import pull

    client, parameters = _connected(tool)
    pull(client, tool, parameters)


@labels.command()
def status(tool: Tool) -> None:
    """Say how far the labelling is, and where annotators disagree.

    Example: quire labels status --tool label-studio
    """
    from labelling.status import status

    status(*_connected(tool))
