"""Where the model comes from: a folder, or an MLflow registry (`models:/quire@champion`)."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quire.command import prepare_mlflow
from quire.model.manifest import InvalidModel

SCHEME = "models:/"


@contextmanager
def model_folder(model: Path) -> Iterator[Path]:
    """The folder that QUIRE_MODEL names, brought from the registry of MLFLOW_TRACKING_URI if need be.

    Raises InvalidModel where the registry does not answer, does not know the model, or MLflow is not installed.
    """
    if not str(model).startswith(SCHEME):
        yield model
        return
    with tempfile.TemporaryDirectory(prefix="quire-model-") as folder:
        yield Path(_download(str(model), folder))


def _download(uri: str, folder: str) -> str:
    prepare_mlflow()
    try:
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415 - an optional part
    except ImportError as error:
        raise InvalidModel(f"{uri}: a registry needs mlflow-skinny, the group `registry`, which is not installed") from error
    try:
        return str(download_artifacts(uri, dst_path=folder))
    except Exception as error:  # requests', SQLAlchemy's and MLflow's own errors share no base class
        place = os.environ.get("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_URI, which is not set")
        raise InvalidModel(f"{uri}: not to be had from {place}: {' '.join(str(error).split())[:300]}") from error
