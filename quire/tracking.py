"""MLflow: one run a training, with parameters, curves, commit and hashes. DVC owns data and lineage."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from git import InvalidGitRepositoryError, Repo

from quire.command import BadInput, prepare_mlflow

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from pytorch_lightning.loggers import MLFlowLogger

EXPERIMENT = "quire"


def start_run(parameters: dict[str, Any], hashes: dict[str, str], machine: dict[str, Any]) -> "MLFlowLogger":
    """Open a run before anything is trained; what it runs on is a tag. Raises BadInput where the tracking store does not answer."""
    from pytorch_lightning.loggers import MLFlowLogger  # noqa: PLC0415 - takes seconds to import; `tracking_uri` does without

    prepare_mlflow()
    uri = tracking_uri()
    experiment = os.environ.get("DVC_EXP_NAME")
    logger = MLFlowLogger(
        EXPERIMENT, run_name=experiment, tracking_uri=uri, tags=_tags(hashes) | {"machine": json.dumps(machine)}, log_model=False
    )
    try:
        # What is nested stays one value: a label may hold what MLflow allows in no name.
        logger.log_hyperparams({name: json.dumps(v) if isinstance(v, dict) else v for name, v in parameters.items()})
    except Exception as error:  # requests', SQLAlchemy's and MLflow's own errors share no base class
        reason = " ".join(str(error).split())[:300]
        raise BadInput(f"MLFLOW_TRACKING_URI: {uri} does not answer: {reason}") from error
    return logger


@contextmanager
def recorded_run(parameters: dict[str, Any], hashes: dict[str, str], machine: dict[str, Any]) -> Iterator["MLFlowLogger"]:
    """A run that is recorded as failed when the work inside it fails. Raises BadInput as `start_run` does."""
    logger = start_run(parameters, hashes, machine)
    try:
        yield logger
    except BaseException:
        logger.experiment.set_terminated(logger.run_id, "FAILED")
        raise


def finish_run(logger: "MLFlowLogger", metrics: dict[str, float], model_hash: str) -> None:
    """Record the results and close the run."""
    logger.experiment.set_tag(logger.run_id, "model_sha256", model_hash)
    logger.log_metrics(metrics)
    logger.experiment.set_terminated(logger.run_id, "FINISHED")


def tracking_uri(root: Path | None = None) -> str:
    """MLFLOW_TRACKING_URI, else a SQLite file in the repository, also from within DVC's temporary copies of it."""
    here = (root or Path.cwd()).resolve()
    if ".dvc" in here.parts:  # `dvc exp run --temp` works in <repository>/.dvc/tmp/exps/…, deleted afterwards
        here = Path(*here.parts[: here.parts.index(".dvc")])
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{here}/mlflow.db"


@contextmanager
def mlflow_client(root: Path) -> Iterator["MlflowClient"]:
    """MLflow's client of the store that `tracking_uri` names. Raises BadInput where MLflow refuses, or does not answer."""
    prepare_mlflow()
    from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds to import
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    uri = tracking_uri(root)
    try:
        yield MlflowClient(uri)
    except MlflowException as error:
        raise BadInput(f"MLFLOW_TRACKING_URI: {uri}: {' '.join(str(error).split())[:300]}") from error


def _tags(hashes: dict[str, str]) -> dict[str, str]:
    tags = {f"{name}_sha256": value for name, value in hashes.items()}
    experiment = {name.lower(): os.environ[name] for name in ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV") if name in os.environ}
    return tags | experiment | _commit()


def _commit() -> dict[str, str]:
    try:
        repository = Repo(Path.cwd(), search_parent_directories=True)
        return {"mlflow.source.git.commit": repository.head.commit.hexsha, "git_dirty": str(repository.is_dirty()).lower()}
    except (InvalidGitRepositoryError, ValueError):  # no repository, or one without a commit
        return {"mlflow.source.git.commit": "none"}
