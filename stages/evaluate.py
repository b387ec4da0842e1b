"""Judge the model as it is served: data, labels, split, model and challenge set → reports.

python -m stages.evaluate data/images data/texts.csv data/items.csv data/labels.csv data/split.csv model data/challenge reports
"""

from pathlib import Path

from quire.command import Seed, machine, run
from quire.evaluation.cached_predictor import CachedPredictor
from quire.evaluation.details import examine, metrics
from quire.evaluation.facts import CROSSED, find_facts
from quire.evaluation.gate import judge, verdict
from quire.evaluation.latency import TIMED, latency
from quire.items.tables import write_json
from quire.model.predictor import Predictor
from quire.report.card import model_card
from quire.report.label_issues import find_label_issues, write_label_issues
from quire.report.mistakes import draw_mistakes, find_mistakes
from quire.report.plots import draw_plots


def evaluate(
    images: Path, texts: Path, items: Path, labels: Path, split: Path, model: Path, challenge: Path, reports: Path,
    *, at_least: dict[str, float], at_most: dict[str, float], seed: Seed,
) -> None:  # fmt: skip
    """Write metrics, predictions, plots, the model card and the gate's verdict into `reports`, where `train` left its tables.

    `at_least` and `at_most` bound figures of details.json by their dotted names. Predicts through the service's predictor, with
    the cache of features that `train` filled. Raises BadInput for a model or an image that the service would refuse, or an
    unknown figure.
    """
    predictor = CachedPredictor(model, machine().cache)
    facts = find_facts(predictor, images, texts, items, labels, split, reports)
    details = examine(predictor, facts, challenge, reports / "protocols.json", seed)
    predictor.flush()
    gate = judge(details, at_least, at_most)

    write_json(reports / "metrics.json", metrics(details))
    write_json(reports / "details.json", details)
    write_json(reports / "gate.json", gate)
    (reports / "model_card.md").write_text(model_card(details, gate, predictor.manifest.lineage), encoding="utf-8")

    draw_plots(facts.predicted, predictor.labels, details["thresholds"], reports / "curves.csv", reports / "plots")
    mistakes, count = find_mistakes(facts.predicted[CROSSED], predictor.labels)
    draw_mistakes(mistakes, count, facts.files, facts.texts, predictor, reports / "plots" / "mistakes.png")

    issues = find_label_issues(facts.predicted[CROSSED], predictor.labels, facts.kept, facts.texts)
    write_label_issues(issues, images, reports / "label_issues.html")
    timed = [(facts.files.get(key), facts.texts.get(key)) for key in facts.predicted[CROSSED].keys[:TIMED]]
    write_json(reports / "latency.json", latency(Predictor(model), timed))
    print(f"evaluate: test accuracy {details['test']['accuracy']['value']:.3f}, gate {verdict(gate)}")


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    run(evaluate)


if __name__ == "__main__":
    main()
