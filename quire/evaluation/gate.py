"""The gate: whether a model is good enough to be served."""

from typing import Any

from quire.command import BadInput


def judge(metrics: dict[str, Any], at_least: dict[str, float], at_most: dict[str, float]) -> dict[str, Any]:
    """Check each bound, named as `test.accuracy` is; passed is what passes all.

    Raises BadInput for a name that is no figure of the metrics.
    """
    checks = [_check(metrics, name, "at_least", threshold) for name, threshold in at_least.items()]
    checks += [_check(metrics, name, "at_most", threshold) for name, threshold in at_most.items()]
    return {"passed": all(check["passed"] for check in checks), "checks": checks}


def _check(metrics: dict[str, Any], name: str, bound: str, threshold: float) -> dict[str, Any]:
    value: Any = metrics
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if not isinstance(value, int | float):
        raise BadInput(f"params.yaml: evaluate.{bound}: {name} is no figure of metrics.json")
    passed = value >= threshold if bound == "at_least" else value <= threshold
    return {"metric": name, "value": value, "bound": bound.replace("_", " "), "threshold": threshold, "passed": passed}
