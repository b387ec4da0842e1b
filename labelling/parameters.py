"""The block `labelling` of params.yaml, checked, and the classes with their colours."""

from itertools import cycle
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from labelling.errors import LabellingError
from quire.command import PARAMETERS
from quire.command import read_parameters as read_block
from quire.items.annotations.classes import Classes, check_classes
from quire.items.tables import Label, read_table

LABELS = Path("data/labels.csv")
Colour = Annotated[str, Field(pattern=r"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$")]
# Sasha Trubetskoy's 20 distinct colours, https://sashamaps.net/docs/resources/20-colors, the most distinct first.
PALETTE = [
    *("#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45", "#fabed4"),
    *("#469990", "#dcbeff", "#9a6324", "#fffac8", "#800000", "#aaffc3", "#808000", "#ffd8b1", "#000075", "#a9a9a9"),
]


class Parameters(BaseModel):
    """What a project looks like in either tool.

    `colours`, as they are used, has one for each class in the order of the classes; in params.yaml any of them may be missing.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    # Ecotag takes names of 48 characters, and `-disagreement-` and eight more name a round.
    project: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{3,26}$")]
    colours: dict[str, Colour] = {}
    cross_annotation: Annotated[int, Field(ge=1, le=10)]
    team: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{3,48}$")]
    annotators: list[str]
    classification: Literal["Public", "Internal", "Confidential", "Critical"]


def read_parameters() -> Parameters:
    """Read params.yaml. Raises BadInput that names the parameter and its value.

    The classes are those of `import_labels`. With `auto` they are those of data/labels.csv, none before the first label.
    """
    given, place = read_block("labelling"), "labelling"
    try:
        parameters = Parameters(**given)
        place = "import_labels.classes"
        listed = TypeAdapter(Classes).validate_python(read_block("import_labels").get("classes"), strict=True)
    except ValidationError as error:
        raise LabellingError(_problem(place, error)) from error
    check_classes(listed, {})
    classes = listed if listed != "auto" else _labels_so_far()
    strange = set(parameters.colours) - set(classes) if classes else set()
    if strange:
        raise LabellingError(f"{PARAMETERS}: labelling.colours: {min(strange)} is none of the classes {', '.join(classes)}")
    return parameters.model_copy(update={"colours": _dealt(classes, parameters.colours)})


def _labels_so_far() -> list[str]:
    return sorted({row.label for row in read_table(LABELS, Label)}) if LABELS.exists() else []


def _dealt(classes: list[str], colours: dict[str, str]) -> dict[str, str]:
    """A colour for each class: the given one, else the next of the palette that is not given; past its end, from the start."""
    taken = {colour.lower() for colour in colours.values()}
    free = cycle([colour for colour in PALETTE if colour not in taken] or PALETTE)
    return {name: colours.get(name) or next(free) for name in classes}


def _problem(place: str, error: ValidationError) -> str:
    problem: Any = error.errors()[0]
    place = ".".join([place, *(str(part) for part in problem["loc"] if part != "list[str]")])
    if problem["type"] == "missing":
        return f"{PARAMETERS}: {place} is missing"
    return f"{PARAMETERS}: {place}: {problem['msg']}, not {problem['input']!r}"
