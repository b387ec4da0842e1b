"""The model that answers, as one thing that can be exchanged, and the copy of it that all workers load.

What is served is a copy that was checked, in the service's own folder: a worker that is started anew takes the model that the
others have, whatever lies under QUIRE_MODEL or in the registry by then.
"""

import os
import shutil
from pathlib import Path

import numpy as np

from quire.model.explain import Explainer
from quire.model.manifest import InvalidModel
from quire.model.predictor import Predictor
from quire.model.registry import model_folder
from service.commit import commit
from service.schema import ModelVersion
from service.settings import Settings
from service.telemetry import OWN_FOLDER

WISHED = "wished"  # the file that names the copy which all workers load


class Loaded:
    """A model in memory and what an answer says of it. Raises InvalidModel where it cannot be served."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.predictor = Predictor(folder)
        if "image" in self.predictor.modalities:
            self.explainer = Explainer(self.predictor, neighbours=settings.explain_neighbours)
        stated = folder / "commit"  # a model out of a registry was made by another commit than the code
        of_model = stated.read_text(encoding="utf-8") if stated.is_file() else commit()
        lineage = self.predictor.manifest.lineage
        data = lineage.get("images", lineage.get("texts", ""))[:12]
        self.model = ModelVersion(version=self.predictor.version, commit=of_model, data=data)

    def warm_up(self) -> None:
        """Answer a blank image and a word, as far as the model reads them. Raises InvalidModel where the probabilities are none."""
        predictor = self.predictor
        blank = np.zeros((predictor.size, predictor.size, 3), np.uint8) if "image" in predictor.modalities else None
        total = sum(predictor.classify_item(blank, "word").probabilities.values())
        if not abs(total - 1) < 1e-3:  # a NaN is close to nothing
            raise InvalidModel(f"{predictor.folder}: its probabilities for a blank image or a word sum to {total:g}, not to 1")


def copies() -> Path | None:
    """The folder of the copies, which the process that starts the workers makes; None where a worker's parts run alone."""
    own = os.environ.get(OWN_FOLDER)
    return Path(own, "models") if own else None


def wished() -> str | None:
    """The version that all workers shall serve, or None before there is one."""
    folder = copies()
    return (folder / WISHED).read_text() if folder and (folder / WISHED).is_file() else None


def load(settings: Settings) -> Loaded:
    """The copy that is wished, else what QUIRE_MODEL names. Raises InvalidModel."""
    folder, version = copies(), wished()
    if folder and version:
        return Loaded(folder / version, settings)
    with model_folder(settings.model) as given:
        return Loaded(given, settings)


def copy_checked(settings: Settings) -> str:
    """Copy what QUIRE_MODEL names now, check the copy and return its version. Raises InvalidModel, and then nothing stays of it."""
    folder = copies()
    assert folder, "only a running service keeps copies"
    new = folder / f"new-{os.getpid()}"
    shutil.rmtree(new, ignore_errors=True)
    try:
        with model_folder(settings.model) as given:
            if not given.is_dir():
                raise InvalidModel(f"{given}: no such folder")
            shutil.copytree(given, new)
        checked = Loaded(new, settings)
        checked.warm_up()
        version = checked.predictor.version
        if not (folder / version).exists():  # one that is served is not touched
            new.rename(folder / version)
        return version
    except InvalidModel as error:  # named is what the operator knows, not the copy
        raise InvalidModel(str(error).replace(str(new), str(settings.model))) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def wish(version: str) -> None:
    """Have all workers serve that copy."""
    folder = copies()
    assert folder
    new = folder / f"{WISHED}-{os.getpid()}"
    new.write_text(version)
    new.rename(folder / WISHED)


def forget_others(version: str) -> None:
    """Delete the copies that no worker serves any more."""
    folder = copies()
    assert folder
    for path in folder.iterdir():
        if path.is_dir() and path.name != version:
            shutil.rmtree(path, ignore_errors=True)
