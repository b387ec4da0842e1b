"""Has what comes in changed? New images against an earlier data version, or the service's answers against the training data.

python -m quire.lifecycle.drift --since REVISION                          images that came in since a commit
python -m quire.lifecycle.drift --log feedback/answers.db … [--days 30]   what the service was asked, one log a pod

Writes reports/drift.csv and reports/drift.png. Ends with 0 where nothing drifted, with 1 where something did, with 2 where
that cannot be said.
"""

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from matplotlib.figure import Figure

from quire.command import BadInput
from quire.decode import decode, resize
from quire.items.tables import write_csv
from quire.lifecycle.permutation_test import Sample, Shift, shifts
from quire.model.predictor import Predictor
from quire.provenance.lock import resolve
from quire.provenance.revisions import Version

MAX_IMAGES = 1000  # of each side: the distances between all pairs are held in memory
DAY = 86400  # seconds
Some = TypeVar("Some")


@dataclass(frozen=True)
class Seen:
    """One image: its document, its size in pixels, the model's probabilities, and its embedding or its unfamiliarity."""

    document: str
    width: int
    height: int
    probabilities: list[float]
    vector: list[float]


def since(root: Path, revision: str) -> tuple[Sample, Sample]:
    """The images of a commit, and those that came in since, by embedding. Raises BadInput for missing ones."""
    earlier, here = Version(root, resolve(root, revision), {}), Version(root, None, {})
    old, now = _kept(earlier), _kept(here)
    known = {row["image_sha256"] for row in old}
    new = [row for row in now if row["image_sha256"] not in known]
    if not new:
        raise BadInput(f"no image came in since {revision}")
    predictor = Predictor(root / "model/model.onnx")
    held_out = {row["key"]: row for row in _rows(here, "model/out_of_fold.csv")}

    def look(version: Version) -> Callable[[dict[str, str]], Seen]:
        return lambda row: _look(version, row, predictor, held_out.get(row["key"]))

    before, after = list(map(look(earlier), _some(old))), list(map(look(here), _some(new)))
    return _sample(revision, before, predictor, "embedding"), _sample(f"since {revision}", after, predictor, "embedding")


def _look(version: Version, row: dict[str, str], predictor: Predictor, fold: dict[str, str] | None) -> Seen:
    """What the model at hand says of an image; of one with a label, what a head said that was not fitted on it."""
    path = f"data/images/{row['image']}"
    content = version.read(path)
    if content is None:
        raise BadInput(f"{path} of {version.commit} is neither in the cache nor in the remote: `dvc fetch --all-commits`")
    square = resize(decode(content), predictor.size, predictor.rule)[None]  # (1, S, S, 3) uint8
    shares = [float(fold[label]) for label in predictor.labels] if fold else predictor.run(square).probabilities[0].tolist()
    return Seen(row["source"], int(row["width"]), int(row["height"]), shares, predictor.features(square)[0].tolist())


def against_training(root: Path, logs: list[Path], days: float | None) -> tuple[Sample, Sample]:
    """The labelled images as the cross-validation saw them, and the service's answers, by unfamiliarity.

    Raises BadInput for logs without answers.
    """
    predictor, here = Predictor(root / "model/model.onnx"), Version(root, None, {})
    item_of = {row["key"]: row for row in _kept(here)}
    trained = [_trained(row, item_of[row["key"]], predictor.labels) for row in _rows(here, "model/out_of_fold.csv")]
    rows = [row for log in logs for row in _answers(log, days)]
    asked = _comparable(rows, predictor.labels)
    name = str(logs[0]) if len(logs) == 1 else f"{len(logs)} logs"
    if not asked:
        raise BadInput(f"{name}: none of {len(rows)} answers{f' of the last {days:g} days' if days else ''} can be compared")
    training = _sample("training data", _some(trained), predictor, "unfamiliarity")
    return training, _sample(name, _some(asked), predictor, "unfamiliarity")


def _trained(fold: dict[str, str], item: dict[str, str], labels: list[str]) -> Seen:
    shares, unfamiliarity = [float(fold[label]) for label in labels], [float(fold["unfamiliarity"])]
    return Seen(item["source"], int(item["width"]), int(item["height"]), shares, unfamiliarity)


def _answers(log: Path, days: float | None) -> list[tuple[Any, ...]]:
    if not log.is_file():
        raise BadInput(f"{log}: no such file; the service writes it")
    query = (
        "SELECT coalesce(document, sha256), width, height, probabilities, unfamiliarity FROM answers WHERE time >= ? ORDER BY id"
    )
    with closing(sqlite3.connect(f"file:{log}?mode=ro", uri=True, timeout=10)) as database:
        return database.execute(query, (time.time() - days * DAY if days else 0,)).fetchall()


def _comparable(rows: Sequence[tuple[Any, ...]], labels: list[str]) -> list[Seen]:
    """What was asked, of the answers that know all and were given by a model of the same labels."""
    complete = [row for row in rows if None not in row and set(json.loads(row[3])) == set(labels)]
    return [
        Seen(document, width, height, [json.loads(shares)[label] for label in labels], [unfamiliarity])
        for document, width, height, shares, unfamiliarity in complete
    ]


def _sample(name: str, seen: Sequence[Seen], predictor: Predictor, vector: str) -> Sample:
    probabilities = np.array([image.probabilities for image in seen])  # (N, C)
    return Sample(
        name,
        np.array([image.document for image in seen]),
        {
            "class mix": np.eye(len(predictor.labels))[probabilities.argmax(1)],
            "image size": np.log([[image.width, image.height] for image in seen]),
            "confidence": probabilities.max(1, keepdims=True),
            vector: np.array([image.vector for image in seen], np.float64),
        },
        predictor.labels,
    )


def _some(rows: Sequence[Some]) -> list[Some]:
    if len(rows) <= MAX_IMAGES:
        return list(rows)
    chosen = np.random.default_rng(0).choice(len(rows), MAX_IMAGES, replace=False)
    return [rows[number] for number in sorted(chosen)]


def _kept(version: Version) -> list[dict[str, str]]:
    return [row for row in _rows(version, "data/items.csv") if row["status"] == "kept"]


def _rows(version: Version, path: str) -> list[dict[str, str]]:
    rows = version.rows(path)
    if rows is None:
        place = version.commit or "the working tree"
        raise BadInput(f"{path} of {place} is neither here nor in the cache or the remote: `dvc pull`")
    return rows


def draw(before: Sample, after: Sample, found: list[Shift], path: Path) -> None:
    """A panel for each measure: shares of the classes, and of the rest how the values are distributed."""
    figure = Figure(figsize=(4 * len(found), 4), layout="constrained")
    for axes, shift in zip(figure.subplots(1, len(found)), found, strict=True):
        sides = [(sample.name, sample.measures[shift.measure]) for sample in (before, after)]
        axes.set_title(f"{shift.measure}{': DRIFT' if shift.drifted else ''}, p = {shift.p_value:.4f}", fontsize=10)
        if shift.measure == "class mix":
            for number, (name, values) in enumerate(sides):
                axes.bar(np.arange(values.shape[1]) + 0.4 * number, values.mean(0), 0.4, label=name)
            axes.set_xticks(np.arange(len(before.labels)) + 0.2, before.labels)
        elif shift.measure in ("image size", "embedding"):
            plane = np.linalg.svd(np.concatenate([values for _, values in sides]), full_matrices=False)[2][:2]
            for name, values in sides:
                shown = np.exp(values) if shift.measure == "image size" else values @ plane.T
                axes.plot(shown[:, 0], shown[:, 1], ".", alpha=0.5, label=name)
        else:
            for name, values in sides:
                axes.ecdf(values[:, 0], label=name)
        axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def table(before: Sample, after: Sample, found: list[Shift]) -> str:
    """The shifts as a Markdown table."""
    sides = [f"{side.name} ({len(side.groups)} images, {len(set(side.groups))} documents)" for side in (before, after)]
    rows = [["measure", *sides, "distance", "p", ""], ["---"] * 6]
    for shift in found:
        verdict = "DRIFT" if shift.drifted else ""
        rows.append([shift.measure, shift.before, shift.after, f"{shift.distance:.4f}", f"{shift.p_value:.4f}", verdict])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--since", metavar="REVISION")
    which.add_argument("--log", type=Path, nargs="+")
    parser.add_argument("--days", type=float)
    given = parser.parse_args()
    try:
        before, after = since(Path.cwd(), given.since) if given.since else against_training(Path.cwd(), given.log, given.days)
        found = shifts(before, after)
    except (BadInput, OSError, sqlite3.Error) as error:
        print(f"drift: error: {error}", file=sys.stderr)
        sys.exit(2)
    write_csv(Path("reports/drift.csv"), [field.name for field in fields(Shift)], map(astuple, found))
    draw(before, after, found, Path("reports/drift.png"))
    print(table(before, after, found))
    sys.exit(1 if any(shift.drifted for shift in found) else 0)


if __name__ == "__main__":
    main()
