"""Train the classifier: images, texts and the tables → model/, and for the reports its curves, out-of-fold predictions, protocols.

python -m stages.train data/images data/texts.csv data/items.csv data/labels.csv data/split.csv model reports
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pytorch_lightning.loggers import Logger

from quire.command import Positive, Seed, machine, run
from quire.evaluation.image_protocols import image_protocols
from quire.evaluation.modalities import compare_modalities
from quire.items.tables import write_json
from quire.model.inputs import ResizeRule
from quire.model.manifest import Manifest, write_manifest
from quire.provenance.lineage import lineage
from quire.provenance.machine import describe_machine
from quire.tracking import finish_run, recorded_run
from quire.training.cross_validation import HeldOut, out_of_fold
from quire.training.dataset import read_dataset
from quire.training.fit import Fit, usable
from quire.training.modalities import Answered, Answers, read_modalities, with_texts
from quire.training.result import write_curves, write_images, write_out_of_fold
from quire.training.selective import Selective
from quire.training.settings import Backbone, NotNegative, Precision, Settings, ZeroShotSettings
from quire.training.strategies import limited_to
from quire.training.text_expert import TextSettings
from quire.training.text_model import bare
from quire.training.trainer import Curves


def train(
    images: Path, texts: Path, items: Path, labels: Path, split: Path, model: Path, reports: Path,
    *,
    backbone: Backbone, precision: Precision, image_size: Annotated[int, Field(ge=64)], resize: ResizeRule,
    epochs: Positive, patience: Positive, weight_decay: NotNegative,
    fine_tune: bool, fine_tune_epochs: Positive, fine_tune_batch_size: Positive, fine_tune_learning_rate: NotNegative,
    zero_shot: ZeroShotSettings, text: TextSettings, selective: Selective, seed: Seed,
) -> None:  # fmt: skip
    """Fit what the items ask for: an image's experts, a text's, or both and how they are pooled.

    An image's head is fitted on the frozen encoder's features or, with `fine_tune`, on those of one whose weights are all fitted.
    Pooling and thresholds are set by out-of-fold predictions of training and validation set, on which the served head is fitted,
    too. Nothing of the test set is read.
    It goes on without an image that cannot be decoded, and names it. Raises BadInput for a tracking server that does not answer.
    """
    settings = Settings(
        backbone=backbone, precision=precision, image_size=image_size, resize=resize, epochs=epochs, patience=patience,
        weight_decay=weight_decay, fine_tune=fine_tune, fine_tune_epochs=fine_tune_epochs,
        fine_tune_batch_size=fine_tune_batch_size, fine_tune_learning_rate=fine_tune_learning_rate,
        zero_shot=zero_shot, text=text, selective=selective, seed=seed,
    )  # fmt: skip
    here = machine()
    data = usable(read_dataset(items, labels, split), images, model, settings, here)
    inputs = lineage(data.rows(), settings.model_dump(), "stages.train")
    with recorded_run(settings.model_dump(), inputs, describe_machine(here.threads)) as logger:
        modalities, manifest = read_modalities(data), bare(data.labels, inputs)
        answers, protocols, curves = Answers(), dict[str, Any](), Curves()
        model.mkdir(parents=True, exist_ok=True)
        if "image" in modalities:
            fit = Fit(data.of(data.has("image")), images, model, settings, here)
            manifest, held_out, protocols, curves = _fit_images(fit, inputs, logger)
            answers["image"] = Answered(np.flatnonzero(data.has("image")), held_out.logits, held_out.unfamiliarity)
        if "text" in modalities:
            with limited_to(1):
                manifest, more = with_texts(model, manifest, data, texts, answers.get("image"), text, selective)
            answers |= more
            protocols["modalities"] = compare_modalities(answers, manifest, data, seed)
        sha256 = write_manifest(model, manifest)
        write_out_of_fold(reports / "out_of_fold.csv", data, answers, model)
        write_curves(reports / "curves.csv", curves)
        write_json(reports / "protocols.json", protocols)
        last = list(answers.values())[-1]
        accuracy = float((last.logits.argmax(1) == data.targets[last.rows]).mean())
        finish_run(logger, {"cross_validated_accuracy": accuracy}, sha256)
        print(f"train: {len(curves)} epochs, cross-validated accuracy {accuracy:.3f}, MLflow run {logger.run_id}")


def _fit_images(fit: Fit, inputs: dict[str, str], logger: Logger) -> tuple[Manifest, HeldOut, dict[str, Any], Curves]:
    """Fit what reads images and write its graphs: what model.json says of it, its answers out of fold, protocols and curves."""
    data, settings = fit.data, fit.settings
    strategy, encoder = fit.strategy()
    with limited_to(1):
        held_out = out_of_fold(strategy, data.targets, data.fold_of)
        protocols = image_protocols(fit, strategy, encoder, held_out)
        served = fit.served(strategy, encoder, logger)
    judged = held_out.probabilities, held_out.unfamiliarity, data.targets, data.documents
    manifest = write_images(fit, served, held_out.pooling, settings.selective.thresholds(*judged), inputs)
    return manifest, held_out, protocols, served.curves


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    run(train)


if __name__ == "__main__":
    main()
