"""Train the classifier: data/images and the tables → model/, and for the reports its curves, out-of-fold predictions, protocols.

python -m stages.train data/images data/items.csv data/labels.csv data/split.csv model reports
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from quire.command import Positive, Seed, machine, run
from quire.evaluation.metrics import share
from quire.evaluation.precisions import side_by_side
from quire.evaluation.protocols import few_labels, leave_one_cluster_out, left_out
from quire.evaluation.strangers import compare_scores
from quire.items.tables import write_json
from quire.model.inputs import ResizeRule
from quire.provenance.lineage import lineage
from quire.provenance.machine import describe_machine
from quire.tracking import finish_run, recorded_run
from quire.training.cross_validation import HeldOut, out_of_fold
from quire.training.dataset import Dataset, read_dataset
from quire.training.fit import Fit
from quire.training.result import write_curves, write_model, write_out_of_fold
from quire.training.selective import Selective
from quire.training.settings import Backbone, NotNegative, Precision, Settings, ZeroShotSettings
from quire.training.strategies import Frozen, limited_to


def train(
    images: Path, items: Path, labels: Path, split: Path, model: Path, reports: Path,
    *,
    backbone: Backbone, precision: Precision, image_size: Annotated[int, Field(ge=64)], resize: ResizeRule,
    epochs: Positive, patience: Positive, weight_decay: NotNegative,
    fine_tune: bool, fine_tune_epochs: Positive, fine_tune_batch_size: Positive, fine_tune_learning_rate: NotNegative,
    zero_shot: ZeroShotSettings, selective: Selective, seed: Seed,
) -> None:  # fmt: skip
    """Fit a head on the frozen encoder's features or, with `fine_tune`, on those of an encoder whose weights are all fitted.

    Pooling and thresholds are set by out-of-fold predictions of training and validation set, on which the served head is fitted,
    too. Nothing of the test set is read.
    It goes on without an image that cannot be decoded, and names it. Raises BadInput for a tracking server that does not answer.
    """
    settings = Settings(
        backbone=backbone, precision=precision, image_size=image_size, resize=resize, epochs=epochs, patience=patience,
        weight_decay=weight_decay, fine_tune=fine_tune, fine_tune_epochs=fine_tune_epochs,
        fine_tune_batch_size=fine_tune_batch_size, fine_tune_learning_rate=fine_tune_learning_rate,
        zero_shot=zero_shot, selective=selective, seed=seed,
    )  # fmt: skip
    here = machine()
    fit = Fit(read_dataset(items, labels, split), images, model, settings, here).without_unusable()
    data = fit.data
    inputs = lineage(data.rows(), settings.model_dump(), "stages.train")
    with recorded_run(settings.model_dump(), inputs, describe_machine(here.threads)) as logger:
        strategy, encoder = fit.strategy()
        with limited_to(1):
            held_out = out_of_fold(strategy, data.targets, data.fold_of)
            protocols = _protocols(strategy, data, held_out, settings)
            if not fine_tune:
                other: Precision = "fp32" if precision == "int8" else "int8"
                beside = out_of_fold(fit.in_precision(strategy, encoder, other), data.targets, data.fold_of)
                both = {precision: held_out, other: beside}
                protocols["precision"] = side_by_side(both, data.targets, data.documents, selective)
            served = fit.served(strategy, encoder, logger)
        thresholds = selective.thresholds(held_out.probabilities, held_out.unfamiliarity, data.targets, data.documents)
        sha256 = write_model(fit, served, held_out.pooling, thresholds, inputs)
        write_out_of_fold(reports / "out_of_fold.csv", data, held_out, model)
        write_curves(reports / "curves.csv", served.curves)
        write_json(reports / "protocols.json", protocols)
        accuracy = float((held_out.logits.argmax(1) == data.targets).mean())
        finish_run(logger, {"cross_validated_accuracy": accuracy}, sha256)
        print(f"train: {len(served.curves)} epochs, cross-validated accuracy {accuracy:.3f}, MLflow run {logger.run_id}")


def _protocols(strategy: Frozen, data: Dataset, held_out: HeldOut, settings: Settings) -> dict[str, Any]:
    """What needs models of its own; beside them the head alone on the frozen encoder's features."""
    targets, fold_of, documents, selective = data.targets, data.fold_of, data.documents, settings.selective
    parts = left_out(strategy.features, targets, documents)
    frozen = Frozen(strategy.plan, strategy.features, strategy.probabilities)
    alone = out_of_fold(frozen.head_alone(), targets, fold_of).logits.argmax(1) == targets
    return {
        "head_alone": share(alone, documents),
        "leave_one_cluster_out": leave_one_cluster_out(strategy, targets, fold_of, documents, parts, selective, held_out),
        "few_labels": few_labels(frozen, targets, documents, settings.seed),
        "unfamiliarity_scores": compare_scores(frozen, targets, documents, parts, held_out, selective.in_distribution_quantile),
    }


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    run(train)


if __name__ == "__main__":
    main()
