"""The model card: what the model is, what it was made from, how well it does and where it must not be trusted."""

from typing import Any

from stages.metrics import Figure


def model_card(details: dict[str, Any], gate: dict[str, Any], lineage: dict[str, str], decision: dict[str, Any]) -> str:
    """Markdown (Mitchell et al. 2019) from the facts of an evaluation; no figure in it is typed by hand."""
    test, crossed = details["test"], details["cross_validation"]
    return f"""# Model card

Classifies a picture as {" or ".join(details["labels"])}; says *unsure* below a confidence of {decision["min_confidence"]:g}.
The gate is **{"passed" if gate["passed"] else "not passed"}**.

## How good it is

Intervals are 95 %: Wilson for shares, Jeffreys for F1, resampled documents for the calibration error.

| | test set | cross-validation of the head |
|---|---|---|
| images | {test["images"]} | {crossed["images"]} |
{_rows(test, crossed, "accuracy", "calibration_error", "answered", "answered_accuracy")}

The last three columns are the cross-validation's:

| class | precision, test | recall, test | F1, test | precision | recall | F1 |
|---|---|---|---|---|---|---|
{_class_rows(test, crossed)}

Cross-validation predicts every labelled image by a head that was fitted without the documents it hangs together with;
the backbone's features are those of its pretraining. It says more than a test set of {test["images"]} images.

## What it must beat

| baseline, cross-validated | accuracy |
|---|---|
| always the commonest class | {_figure(details["baselines"]["majority"])} |
| width, height and aspect ratio only | {_figure(details["baselines"]["size"])} |

If the second is near the model's accuracy, size alone gives the class away, and the model may have learnt that.

## Confusion, cross-validated

| label | {" | ".join(f"said {label}" for label in details["labels"])} |
|---|{"---|" * len(details["labels"])}
{_confusion_rows(crossed["confusion"])}

## The gate

| figure | is | bound | |
|---|---|---|---|
{_gate_rows(gate)}

## What it was made from

{details["images"]["kept"]} images kept of {details["images"]["found"]} found ({details["images"]["repeat"]} repeats, \
{details["images"]["rejected"]} rejected), {details["images"]["labelled"]} with a label: {_counts(details["images"]["sets"])}.
Temperature {decision["temperature"]:g}, fitted on the validation set.

| input | SHA-256 |
|---|---|
{_lines(f"| {name} | `{value}` |" for name, value in lineage.items())}

## Where not to trust it

- On pictures of another kind than the training set's: nothing here measures them.
- A class that means "anything else" knows the things that its training pictures showed, no more.
- Its confidence on the test set is judged by {test["images"]} images; look at the interval, not at the figure.
"""


def _rows(test: dict[str, Any], crossed: dict[str, Any], *names: str) -> str:
    return _lines(f"| {name.replace('_', ' ')} | {_figure(test[name])} | {_figure(crossed[name])} |" for name in names)


def _class_rows(test: dict[str, Any], crossed: dict[str, Any]) -> str:
    figures = ("precision", "recall", "f1")
    return _lines(
        f"| {label} | " + " | ".join(_figure(part["classes"][label][name]) for part in (test, crossed) for name in figures) + " |"
        for label in test["classes"]
    )


def _confusion_rows(confusion: dict[str, dict[str, dict[str, float]]]) -> str:
    return _lines(
        f"| {label} | " + " | ".join(f"{cell['count']} ({cell['low']:.2f}–{cell['high']:.2f})" for cell in row.values()) + " |"
        for label, row in confusion.items()
    )


def _gate_rows(gate: dict[str, Any]) -> str:
    return _lines(
        f"| {check['metric']} | {check['value']:.3f} | {check['bound']} {check['threshold']:g} | {_verdict(check)} |"
        for check in gate["checks"]
    )


def _verdict(check: dict[str, Any]) -> str:
    return "passed" if check["passed"] else "failed"


def _counts(sets: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sets.items())


def _figure(figure: Figure) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


def _lines(lines: Any) -> str:
    return "\n".join(lines)
