"""The model card: what the model is, what it was made from, how well it does and where it must not be trusted."""

from typing import Any

from quire.evaluation.metrics import Figure


def model_card(details: dict[str, Any], gate: dict[str, Any], lineage: dict[str, str], decision: dict[str, Any]) -> str:
    """Markdown (Mitchell et al. 2019) from the facts of an evaluation; no figure in it is typed by hand."""
    test, crossed = details["test"], details["cross_validation"]
    return f"""# Model card

Classifies an image as {" or ".join(details["labels"])}; says *unsure* below a confidence of \
{decision["min_confidence"]:.3f} (`low_confidence`), and where an image is too unlike those it was trained on (`unfamiliar`).
The gate is **{"passed" if gate["passed"] else "not passed"}**.

## How good it is

Intervals are 95 %: Wilson for shares, Jeffreys for F1, resampled documents for calibration error and Brier score.

| | test set | cross-validation |
|---|---|---|
| images | {test["images"]} | {crossed["images"]} |
{_rows(test, crossed, "accuracy", "calibration_error", "brier_score", "answered", "answered_accuracy")}

The last three columns are the cross-validation's:

| class | precision, test | recall, test | F1, test | precision | recall | F1 |
|---|---|---|---|---|---|---|
{_class_rows(test, crossed)}

Cross-validation predicts every labelled image by a model that was fitted without the documents it hangs together with and
without the test set; a frozen backbone's features are those of its pretraining. It says more than a test set of \
{test["images"]} images.

## When it answers, and how the thresholds came about

{_risk(decision)}
No answer is given that is itself likelier wrong than {decision["max_doubt"]:.0%}, whatever the bound on all together.
{decision["familiar"]:.0%} of the out-of-fold images given a label that names something lie within the unfamiliarity of \
{decision["max_unfamiliarity"]:.3f}; an image beyond it is `unfamiliar`. What is called the rest has no such bound, for it may \
look like anything. Fitted on the same predictions: temperature {decision["temperature"]:.3f}{_pooling(decision)}. \
These are of training and validation set, by models that saw no image of the test set: neither that nor the challenge set \
nor a protocol's held-out part had a say.

The bound holds for images of the same kind as these; what others meet:

| | images | right | decided wrong | unsure |
|---|---|---|---|---|
| cross-validated | {_outcome(details["decided"])} |
{_challenge(details["challenge"])}

*Right* counts the likeliest label, sure or not.

## Protocols that need no new data

| | right | decided wrong | unsure |
|---|---|---|---|
{_kinds(details["protocols"])}

Kinds are clusters of each label's features; each is answered by a model, a temperature and thresholds that saw none of it \
(the thresholds of a fine-tuned model are set without it by models that had seen it). Where no labelled image is anything \
like what others will send, this shows little, and the challenge set more: what the prior is for, no label here can show.

| the same image, {details["protocols"]["other_files"]["images"]} of them | answers stay | decisions stay | by size alone stay |
|---|---|---|---|
{_files(details["protocols"]["other_files"])}

| documents labelled | images | accuracy on the others | lowest and highest of the draws |
|---|---|---|---|
{_learning(details["protocols"]["few_labels"])}

If the last rows still rise, label more.

| unfamiliarity score | tells a label left out from the others, AUROC |
|---|---|
{_scores(details["protocols"]["unfamiliar_scores"])}

The first is served. A head alone on the frozen backbone's features is right on \
{_figure(details["protocols"]["head_alone"])} of the images, cross-validated.

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

| input | SHA-256 |
|---|---|
{_lines(f"| {name} | `{value}` |" for name, value in lineage.items())}

## Where not to trust it

- On images of another kind than the training set's and the challenge set's: nothing here measures them.
- A class that means "anything else" knows the things that its training images and the backbone's 1,000 classes show, no more.
- Its confidence on the test set is judged by {test["images"]} images; look at the interval, not at the figure.
"""


def _risk(decision: dict[str, Any]) -> str:
    found = f"{decision['images']} held-out predictions show, {decision['confidence']:.0%} sure, that at most "
    found += f"{decision['risk']:.1%} of the answers given are wrong, where {decision['coverage']:.0%} of the images are answered"
    asked = f"`decision.max_risk` asks for {decision['max_risk']:.1%}"
    return f"{found}: {asked}." if decision["met"] else f"{found}. {asked}, which **so few images cannot show**: label more."


def _pooling(decision: dict[str, Any]) -> str:
    if decision["prior_weights"] is None:
        return ""
    which, anything = decision["prior_weights"]
    found = f", the prior's weights ({which:.2f} in which label it is, {anything:.2f} in whether it is any that names something)"
    reach = decision["reach"]
    if reach is None:
        return found
    return found + f" and the head's reach (whole up to {reach['limit']:.3f}; beyond, {reach['share']:.0%} of it fades)"


def _outcome(part: dict[str, Any]) -> str:
    return f"{part['images']} | " + " | ".join(_figure(part[name]) for name in ("right", "decided_wrong", "unsure"))


def _challenge(challenge: dict[str, Any] | None) -> str:
    if challenge is None:
        return "| challenge set | none: `make data CHALLENGE=<folder>` brings one in | | | |"
    kinds = (f"| challenge set, {kind} | {_outcome(part)} |" for kind, part in challenge["kinds"].items())
    return _lines([*kinds, f"| challenge set, all | {_outcome(challenge['all'])} |"])


def _kinds(protocols: dict[str, Any]) -> str:
    found = protocols["leave_one_kind_out"]
    names = {"with": "with prior and score" if "without" in found else "no prior", "without": "the head alone"}
    shares = {
        name: [_figure(found[name][part]) for part in ("right", "decided_wrong", "unsure")] for name in names if name in found
    }
    return _lines(f"| leave one of {found['kinds']} kinds out, {names[name]} | {' | '.join(row)} |" for name, row in shares.items())


def _files(found: dict[str, Any]) -> str:
    columns = ("stay", "decisions_stay", "size_baseline_stays")
    rows = ((name, part) for name, part in found.items() if name != "images")
    return _lines(f"| {name} | " + " | ".join(_figure(part[column]) for column in columns) + " |" for name, part in rows)


def _learning(curve: list[dict[str, float]]) -> str:
    return _lines(
        f"| {row['documents']} | {row['images']:g} | {row['accuracy']:.3f} | {row['lowest']:.3f}–{row['highest']:.3f} |"
        for row in curve
    )


def _scores(scores: dict[str, float]) -> str:
    return _lines(f"| {name} | {value:.3f} |" for name, value in scores.items())


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
