"""Everything that an evaluation finds, reports/details.json, and the few of its figures in reports/metrics.json."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from quire.evaluation.baselines import Baselines, baselines
from quire.evaluation.challenge import ChallengeReport, challenge_report
from quire.evaluation.facts import CROSSED, TEST, Facts
from quire.evaluation.gate import figure
from quire.evaluation.metrics import SetFigures, describe
from quire.evaluation.robustness import Robustness, robustness
from quire.evaluation.text_robustness import TextRobustness, text_robustness
from quire.items.tables import SETS, Item
from quire.model.predictor import Predictor

# What experiments are compared by, each with its place in the details: few and short, so that `dvc exp show` fits a terminal.
# The test set's accuracy is none of them: experiments are not to be chosen by it. The gate, the card and the summary have it.
METRICS = {
    "accuracy": "cross_validation.accuracy",
    "macro_f1": "cross_validation.macro_f1",
    "ece": "cross_validation.calibration_error",
    "answered": "cross_validation.answered",
    "wrong": "cross_validation.outcome.decided_wrong",
}


class Images(TypedDict):
    """What the ledger holds: found = kept + repeat + rejected. `labelled` are in one of the sets."""

    found: int
    kept: int
    repeat: int
    rejected: int
    labelled: int
    sets: dict[str, int]


class Details(TypedDict):
    """The content of reports/details.json. `protocols` is what `train` wrote into reports/protocols.json."""

    labels: Sequence[str]
    things: str  # what the model reads: images, texts, images and texts
    images: Images
    test: SetFigures
    cross_validation: SetFigures
    baselines: Baselines
    margin_over_baselines: float
    thresholds: Mapping[str, Any]
    pooling: Mapping[str, Any]
    challenge: ChallengeReport | None
    robustness: Robustness | None
    text_robustness: TextRobustness | None
    protocols: Mapping[str, Any]


def count_images(items: Sequence[Item], sets: Iterable[str]) -> Images:
    """The rows of the ledger by status, and of the split by set."""
    statuses, sizes = Counter(item.status for item in items), Counter(sets)
    return {
        "found": len(items),
        "kept": statuses["kept"],
        "repeat": statuses["repeat"],
        "rejected": statuses["rejected"],
        "labelled": sizes.total(),
        "sets": {name: sizes[name] for name in SETS},
    }


def examine(predictor: Predictor, facts: Facts, challenge: Path, protocols: Path, seed: int) -> Details:
    """All that is found. Raises BadInput for a challenge set that cannot be read."""
    test, crossed = (describe(facts.predicted[name], predictor.labels, seed) for name in (TEST, CROSSED))
    judged, sizes = facts.predicted[CROSSED], facts.sizes
    shallow = baselines(sizes, facts.lengths, judged.targets, facts.fold_of, judged.documents, seed)
    best = max(each["value"] for each in shallow.values())  # type: ignore[index]
    pooling = list(predictor.manifest.pooling.values())[-1]  # of an item that has all that the model reads
    there = [row for row, key in enumerate(judged.keys) if key in facts.files and "image" in predictor.modalities]
    return {
        "labels": predictor.labels,
        "things": " and ".join(f"{modality}s" for modality in predictor.modalities),
        "images": count_images(facts.items, facts.set_of.values()),
        "test": test,
        "cross_validation": crossed,
        "baselines": shallow,
        "margin_over_baselines": round(crossed["accuracy"]["value"] - best, 6),
        "thresholds": pooling.thresholds.model_dump(),
        "pooling": pooling.model_dump(include={"weights", "damping"}),
        "challenge": challenge_report(predictor, challenge) if "image" in predictor.modalities else None,
        "robustness": robustness(
            predictor,
            [facts.files[judged.keys[row]] for row in there],
            sizes[there],
            judged.targets[there],
            judged.documents[there],
            seed,
        )
        if there
        else None,
        "text_robustness": text_robustness(predictor, facts.texts, judged.keys.tolist(), judged.documents, seed),
        "protocols": json.loads(protocols.read_text(encoding="utf-8")),
    }


def metrics(details: Details) -> dict[str, float]:
    """The figures of `METRICS`, to four decimals."""
    return {name: round(figure(details, place) or 0.0, 4) for name, place in METRICS.items()}
