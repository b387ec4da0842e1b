"""Run a stage from the command line: its paths are arguments, its keywords are its block of params.yaml.

What decides no result, where and how it is computed, is said by the environment: `machine`.
"""

import argparse
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, validate_call
from pydantic_settings import BaseSettings, SettingsConfigDict

PARAMETERS = Path("params.yaml")


Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy and PyTorch take


class BadInput(ValueError):
    """Something that a user handed in is wrong; the message names file, place and value."""


# Which MLflow reads when it is imported or first called. A dead server is an error after seconds, not after MLflow's default
# of seven retries of two minutes.
MLFLOW = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


def prepare_mlflow() -> None:
    """Settings of MLflow's that the environment does not hold already."""
    for name, value in MLFLOW.items():
        os.environ.setdefault(name, value)


def cores() -> int:
    """How many processor cores this process may use; all of them where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quire"


class Machine(BaseSettings):
    """Each field is the environment variable QUIRE_<NAME>; empty is as good as none. None of them changes a result."""

    model_config = SettingsConfigDict(env_prefix="QUIRE_", env_ignore_empty=True, frozen=True)

    device: Literal["cpu", "gpu"] = "cpu"
    threads: Positive = Field(default_factory=cores)  # of one process that computes
    workers: Positive = Field(default_factory=cores)  # processes that read files
    cache: Path = Field(default_factory=_cache)  # what was computed from a content, and tools that were built; safe to delete


def machine() -> Machine:
    """The settings at hand. Raises BadInput that names the variable and its value."""
    try:
        return Machine()
    except ValidationError as error:
        problem = error.errors()[0]
        raise BadInput(f"QUIRE_{str(problem['loc'][0]).upper()}: {problem['msg']}, not {problem['input']!r}") from error


def run(stage: Callable[..., None]) -> None:
    """Call `stage` as its cmd in dvc.yaml says. Bad input, a full disk or memory is one line on stderr and exit status 1.

    The stage's positional arguments are paths, its keyword-only arguments are parameters.
    """
    try:
        call(stage, _paths(stage), read_parameters(stage.__name__))
    except (BadInput, OSError, MemoryError) as error:
        sys.exit(f"{stage.__name__}: error: {str(error) or 'out of memory'}")


def call(stage: Callable[..., None], paths: list[Path], parameters: dict[str, Any]) -> None:
    """Call `stage` with checked parameters: an unknown, missing or mistyped one is BadInput that names it."""
    keywords = [name for name, value in inspect.signature(stage).parameters.items() if value.kind is value.KEYWORD_ONLY]
    unknown = sorted(set(parameters) - set(keywords))
    if unknown:
        raise BadInput(f"{PARAMETERS}: {stage.__name__}.{unknown[0]} is unknown; known: {', '.join(keywords)}")
    try:
        # Strict: "0.1" is no number and 1 no truth value. Only the parameters are checked: no ValidationError of
        # the stage's own body can be mistaken for one of theirs.
        checked = validate_call(config=ConfigDict(strict=True))(_signature_only(stage))(*paths, **parameters)
    except ValidationError as error:
        raise BadInput(f"{PARAMETERS}: {_first_problem(stage.__name__, error)}") from error
    stage(*paths, **checked)


def _signature_only(stage: Callable[..., None]) -> Callable[..., dict[str, Any]]:
    def keywords(*_: Any, **given: Any) -> dict[str, Any]:
        return given

    keywords.__signature__ = inspect.signature(stage)  # type: ignore[attr-defined]
    keywords.__annotations__ = stage.__annotations__
    return keywords


def _first_problem(stage: str, error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join([stage, *(str(part) for part in problem["loc"])])
    if problem["type"] == "missing_keyword_only_argument":
        return f"{place} is missing"
    return f"{place}: {problem['msg']}, not {problem['input']!r}"


def read_parameters(stage: str) -> dict[str, Any]:
    """A stage's block of params.yaml, read as DVC reads it (YAML 1.2, so that 1e-3 is a number)."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - what serves has no part in params.yaml and comes without it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        blocks = YAML(typ="safe").load(PARAMETERS)
    except YAMLError as error:
        raise BadInput(f"{PARAMETERS}: {' '.join(str(error).split())}") from error
    if not isinstance(blocks, dict) or not isinstance(blocks.get(stage), dict):
        raise BadInput(f"{PARAMETERS}: the block {stage!r} is missing")
    return dict(blocks[stage])


def _paths(stage: Callable[..., None]) -> list[Path]:
    parser = argparse.ArgumentParser(prog=f"python -m stages.{stage.__name__}", description=inspect.getdoc(stage))
    for name, value in inspect.signature(stage).parameters.items():
        if value.kind is not value.KEYWORD_ONLY:
            parser.add_argument(name, type=Path)
    return list(vars(parser.parse_args()).values())
