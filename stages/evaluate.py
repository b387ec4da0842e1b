"""Judge the model file as it is served: data, labels, split, model and challenge set → reports.

python -m stages.evaluate data/images data/items.csv data/labels.csv data/split.csv model data/challenge reports
"""

import csv
import json
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quire.command import BadInput, Seed, run
from quire.decode import UndecodableImage
from quire.evaluation.baselines import majority, size_only
from quire.evaluation.challenge import ask, challenge_set, outcome, report
from quire.evaluation.gate import judge
from quire.evaluation.metrics import Predictions, confusion, describe, reliability
from quire.evaluation.robustness import CHANGES, other_files
from quire.items.tables import SETS, Assignment, Item, Label, read_table, write_csv, write_json
from quire.model.explain import PLACES, REFERENCES, Explainer
from quire.model.predictor import Answer, Predictor
from quire.report.card import model_card
from quire.report.figures import Mistake, draw_confusion, draw_curves, draw_mistakes, draw_reliability, draw_risk
from quire.report.label_issues import label_noise, rank
from quire.training.selective import risk_coverage

TIMED = 50  # images whose latency is measured


@dataclass(frozen=True)
class Facts:
    """What the stage reads: the ledger, labels and sets by key, and the out-of-fold predictions."""

    items: list[Item]
    kept: dict[str, Item]
    label_of: dict[str, str]
    set_of: dict[str, str]
    labels: list[str]
    out_of_fold: Predictions
    unfamiliarity: NDArray[np.float64]  # (N,), out of fold
    fold_of: NDArray[np.int64]  # (N,)
    keys: list[str]  # those of out_of_fold


def evaluate(
    images: Path, items: Path, labels: Path, split: Path, model: Path, challenge: Path, reports: Path,
    *, at_least: dict[str, float], at_most: dict[str, float], seed: Seed,
) -> None:  # fmt: skip
    """Write metrics, predictions, plots, images, the model card and the gate's verdict.

    `at_least` and `at_most` bound figures of metrics.json by their dotted names. Predicts through the service's
    predictor. Raises BadInput for a model file or an image that the service would refuse, or an unknown figure.
    """
    predictor = Predictor(model / "model.onnx")
    facts = _facts(items, labels, split, model / "out_of_fold.csv", predictor.labels)
    answers = _answers(predictor, images, facts)
    tested = _predictions(answers, [key for key in facts.keys if facts.set_of[key] == "test"], facts)
    details = _details(tested, facts, predictor.min_confidence, seed)
    details |= _trust(predictor, images, facts, challenge, seed)
    details["protocols"] |= json.loads((model / "protocols.json").read_text(encoding="utf-8"))
    metrics = _metrics(details)
    gate = judge(metrics, at_least, at_most)

    reports.mkdir(parents=True, exist_ok=True)
    write_json(reports / "metrics.json", metrics)
    write_json(reports / "details.json", details)
    write_json(reports / "gate.json", gate)
    card = model_card(details, gate, predictor.lineage, predictor.decision)
    (reports / "model_card.md").write_text(card, encoding="utf-8")
    _write_predictions(reports / "predictions.csv", answers, facts)
    explainer = Explainer(predictor, model / PLACES, model / REFERENCES)
    _draw(reports / "plots", tested, facts, images, model / "curves.csv", explainer)
    _draw_risk(reports / "plots", facts.out_of_fold, predictor.decision)
    doubts = rank(facts.out_of_fold, facts.keys, facts.labels, facts.kept, facts.set_of)
    label_noise(doubts, images, reports / "label_noise.html")
    write_json(reports / "latency.json", _latency(predictor, [images / str(facts.kept[key].image) for key in facts.keys[:TIMED]]))
    verdict = "passed" if gate["passed"] else f"not passed: {', '.join(c['metric'] for c in gate['checks'] if not c['passed'])}"
    print(f"evaluate: test accuracy {metrics['test']['accuracy']:.3f}, gate {verdict}")


def _facts(items: Path, labels: Path, split: Path, out_of_fold: Path, classes: list[str]) -> Facts:
    ledger = read_table(items, Item)
    kept = {str(item.key): item for item in ledger if item.status == "kept"}
    rows = _read_rows(out_of_fold)
    keys = [row["key"] for row in rows]
    return Facts(
        items=ledger,
        kept=kept,
        label_of={row.key: row.label for row in read_table(labels, Label)},
        set_of={row.key: row.set for row in read_table(split, Assignment)},
        labels=classes,
        out_of_fold=Predictions(
            probabilities=np.array([[float(row[label]) for label in classes] for row in rows]),
            targets=np.array([classes.index(row["label"]) for row in rows]),
            groups=np.array([kept[key].source for key in keys]),
        ),
        unfamiliarity=np.array([float(row["unfamiliarity"]) for row in rows]),
        fold_of=np.array([int(row["fold"]) for row in rows]),
        keys=keys,
    )


def _answers(predictor: Predictor, images: Path, facts: Facts) -> dict[str, Answer | None]:
    """The answer for each image kept; None for one that the service would refuse, unless it has a label."""
    answers: dict[str, Answer | None] = {}
    for key, item in sorted(facts.kept.items()):
        path = images / str(item.image)
        try:
            answers[key] = predictor.classify(path.read_bytes())
        except UndecodableImage as error:
            if key in facts.set_of:
                raise BadInput(f"{path}: {error}") from error
            print(f"evaluate: no answer for {path}: {error}")
            answers[key] = None
    return answers


def _predictions(answers: dict[str, Answer | None], keys: list[str], facts: Facts) -> Predictions:
    given = [answer for key in keys if (answer := answers[key])]  # every labelled image has one
    return Predictions(
        probabilities=np.array([list(answer.probabilities.values()) for answer in given]),
        targets=np.array([facts.labels.index(facts.label_of[key]) for key in keys]),
        groups=np.array([facts.kept[key].source for key in keys]),
    )


def _details(tested: Predictions, facts: Facts, min_confidence: float, seed: int) -> dict[str, Any]:
    statuses = Counter(item.status for item in facts.items)
    sets = Counter(facts.set_of.values())
    sizes, targets, fold_of = _sizes(facts), facts.out_of_fold.targets, facts.fold_of
    return {
        "labels": facts.labels,
        "images": {
            "found": len(facts.items),
            **{status: statuses[status] for status in ("kept", "repeat", "rejected")},
            "labelled": len(facts.keys),
            "sets": {name: sets[name] for name in SETS},
        },
        "test": describe(tested, facts.labels, min_confidence, seed),
        "cross_validation": describe(facts.out_of_fold, facts.labels, min_confidence, seed),
        "baselines": {"majority": majority(targets, fold_of), "size": size_only(sizes, targets, fold_of, seed)},
    }


def _trust(predictor: Predictor, images: Path, facts: Facts, challenge: Path, seed: int) -> dict[str, Any]:
    """What the model's thresholds do out of fold, on the challenge set, and where only the file of an image changes."""
    crossed = facts.out_of_fold
    rows = zip(crossed.probabilities, facts.unfamiliarity, crossed.targets, strict=True)
    decided = [(facts.labels[target], predictor.answer(row, score)) for row, score, target in rows]
    strangers = challenge_set(challenge, facts.labels)
    files = [(images / str(facts.kept[key].image)).read_bytes() for key in facts.keys]
    return {
        "decision": predictor.decision,
        "decided": outcome(decided),
        "challenge": report(strangers, ask(predictor, strangers)) if strangers else None,
        "protocols": {"other_files": other_files(predictor, files, _sizes(facts), crossed.targets, seed)},
    }


def _sizes(facts: Facts) -> NDArray[np.float64]:
    return np.array([(facts.kept[key].width, facts.kept[key].height) for key in facts.keys], np.float64)  # (N, 2)


def _metrics(details: dict[str, Any]) -> dict[str, Any]:
    """The few figures that experiments are compared by."""
    metrics: dict[str, Any] = {part: _headline(details[part]) for part in ("test", "cross_validation")}
    metrics["baselines"] = {name: figure["value"] for name, figure in details["baselines"].items()}
    margin = metrics["cross_validation"]["accuracy"] - max(metrics["baselines"].values())
    metrics["margin_over_baselines"] = round(margin, 6)
    protocols, challenge = details["protocols"], details["challenge"]
    metrics["other_files"] = {_key(name): protocols["other_files"][name]["stay"]["value"] for name in CHANGES}
    metrics["leave_one_kind_out"] = {
        name: _shares(part) for name, part in protocols["leave_one_kind_out"].items() if name != "kinds"
    }
    metrics["few_labels"] = {f"documents_{row['documents']}": row["accuracy"] for row in protocols["few_labels"]}
    metrics["head_alone"] = protocols["head_alone"]["value"]
    if challenge:
        metrics["challenge"] = _shares(challenge["all"]) | {_key(name): _shares(part) for name, part in challenge["kinds"].items()}
    return metrics


def _key(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_")


def _shares(part: dict[str, Any]) -> dict[str, float]:
    return {name: part[name]["value"] for name in ("right", "decided_wrong", "unsure")}


def _headline(figures: dict[str, Any]) -> dict[str, float]:
    accuracy = figures["accuracy"]
    return {
        "images": figures["images"],
        "accuracy": accuracy["value"],
        "accuracy_low": accuracy["low"],
        "accuracy_high": accuracy["high"],
        "macro_f1": figures["macro_f1"],
        "lowest_recall": figures["lowest_recall"],
        "calibration_error": figures["calibration_error"]["value"],
        "brier_score": figures["brier_score"]["value"],
        "answered": figures["answered"]["value"],
        "answered_accuracy": figures["answered_accuracy"]["value"],
    }


def _write_predictions(path: Path, answers: dict[str, Answer | None], facts: Facts) -> None:
    header = ["key", "set", "label", "prediction", "decision", "reason", "confidence", *facts.labels]
    known = ((key, facts.set_of.get(key), facts.label_of.get(key)) for key in answers)
    rows = ([*start, *_cells(answer, len(facts.labels))] for start, answer in zip(known, answers.values(), strict=True))
    write_csv(path, header, rows)


def _cells(answer: Answer | None, classes: int) -> list[str]:
    if answer is None:
        return ["", "undecodable", "", "", *[""] * classes]
    shares = [f"{probability:.6f}" for probability in answer.probabilities.values()]
    return [answer.prediction, answer.decision, answer.reason or "", f"{answer.confidence:.6f}", *shares]


def _draw(plots: Path, tested: Predictions, facts: Facts, images: Path, curves: Path, explainer: Explainer) -> None:
    crossed = facts.out_of_fold
    for name, part in (("test", tested), ("cross_validation", crossed)):
        named = ([facts.labels[target], facts.labels[guess]] for target, guess in zip(part.targets, part.predicted, strict=True))
        write_csv(plots / f"confusion_{name}.csv", ["label", "prediction"], named)
    bins = ([*(f"{value:.6f}" for value in row), round(row[2] * len(crossed.targets))] for row in reliability(crossed))
    write_csv(plots / "reliability.csv", ["confidence", "accuracy", "share", "images"], bins)
    matrices = {"test set": tested, "cross-validation": crossed}
    draw_confusion(
        {title: confusion(part, len(facts.labels)) for title, part in matrices.items()}, facts.labels, plots / "confusion.png"
    )
    draw_reliability(crossed, "Cross-validated answers", plots / "reliability.png")
    draw_curves(_read_rows(curves), plots / "curves.png")
    tested_keys = [key for key in facts.keys if facts.set_of[key] == "test"]
    mistakes = _mistakes(tested, tested_keys, "test set", facts, images, explainer)
    mistakes += _mistakes(crossed, facts.keys, "cross-validation", facts, images, explainer)
    draw_mistakes(mistakes, "Wrong answers", plots / "mistakes.png")


def _draw_risk(plots: Path, crossed: Predictions, decision: dict[str, Any]) -> None:
    curve = risk_coverage(crossed.confidence, crossed.correct, decision["confidence"])
    write_csv(plots / "risk_coverage.csv", list(curve[0]), ([f"{value:.6f}" for value in row.values()] for row in curve))
    draw_risk(curve, decision, plots / "risk_coverage.png")


def _mistakes(
    predictions: Predictions, keys: list[str], where: str, facts: Facts, images: Path, explainer: Explainer
) -> list[Mistake]:
    wrong = np.flatnonzero(~predictions.correct)
    return [_mistake(predictions, int(number), keys[number], where, facts, images, explainer) for number in wrong]


def _mistake(
    predictions: Predictions, number: int, key: str, where: str, facts: Facts, images: Path, explainer: Explainer
) -> Mistake:
    file, prediction = images / str(facts.kept[key].image), facts.labels[predictions.predicted[number]]
    square = explainer.predictor.prepare(file.read_bytes())  # (S, S, 3) uint8
    nearest = explainer.nearest(square, key)
    return Mistake(
        key=key,
        file=file,
        label=facts.labels[predictions.targets[number]],
        prediction=prediction,
        confidence=float(predictions.confidence[number]),
        where=where,
        places=explainer.places(square, prediction),
        nearest=[(each.caption, images / str(facts.kept[each.key].image)) for each in nearest],
    )


def _latency(predictor: Predictor, files: list[Path]) -> dict[str, Any]:
    """Milliseconds from encoded bytes to an answer, one image and one thread: of this machine, so outside dvc.lock."""
    seconds = []
    for data in [file.read_bytes() for file in files]:
        start = time.perf_counter()
        predictor.classify(data)
        seconds.append(time.perf_counter() - start)
    ranked = sorted(1000 * value for value in seconds)
    return {
        "images": len(ranked),
        "p50_ms": round(statistics.median(ranked), 2),
        "p95_ms": round(ranked[int(len(ranked) * 0.95)], 2),
    }


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    run(evaluate)


if __name__ == "__main__":
    main()
