"""The blocks `labelling` and `import_labels.classes` of params.yaml, checked."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from labelling.errors import LabellingError

PARAMETERS = Path("params.yaml")
Colour = Annotated[str, Field(pattern=r"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$")]


class Parameters(BaseModel):
    """What a project looks like in either tool. `colours` has one for each class, in the order of the classes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    # Ecotag takes names of 48 characters, and `-disagreement-` and eight more name a round.
    project: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{3,26}$")]
    colours: Annotated[dict[Annotated[str, Field(min_length=1)], Colour], Field(min_length=2, max_length=90)]
    cross_annotation: Annotated[int, Field(ge=1, le=10)]
    team: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{3,48}$")]
    annotators: list[str]
    classification: Literal["Public", "Internal", "Confidential", "Critical"]


def read_parameters() -> Parameters:
    """Read params.yaml. Raises LabellingError that names the parameter and its value."""
    try:
        blocks = YAML(typ="safe").load(PARAMETERS)
        parameters = Parameters(**blocks["labelling"])
        classes = blocks["import_labels"]["classes"]
    except YAMLError as error:
        raise LabellingError(f"{PARAMETERS}: {' '.join(str(error).split())}") from error
    except (KeyError, TypeError) as error:
        raise LabellingError(f"{PARAMETERS}: the block labelling or import_labels.classes is missing") from error
    except ValidationError as error:
        raise LabellingError(_problem(error)) from error
    if set(classes) != set(parameters.colours):
        odd = min(set(classes) ^ set(parameters.colours))
        raise LabellingError(f"{PARAMETERS}: {odd} stands in only one of import_labels.classes and labelling.colours")
    return parameters.model_copy(update={"colours": {name: parameters.colours[name] for name in classes}})


def _problem(error: ValidationError) -> str:
    problem: Any = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"{PARAMETERS}: labelling.{place} is missing"
    return f"{PARAMETERS}: labelling.{place}: {problem['msg']}, not {problem['input']!r}"
