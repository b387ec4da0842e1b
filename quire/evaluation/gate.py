"""The gate: whether a model is good enough to be served."""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from quire.command import BadInput

Bound = Literal["at_least", "at_most"]


class Check(TypedDict):
    """One bound, and whether a figure keeps it."""

    figure: str
    value: float
    bound: Bound
    threshold: float
    passed: bool


class Gate(TypedDict):
    """The verdict: passed is what passes all checks."""

    passed: bool
    checks: list[Check]


def judge(details: Mapping[str, Any], at_least: Mapping[str, float], at_most: Mapping[str, float]) -> Gate:
    """Check each bound on a figure of details.json, named as `test.accuracy` is.

    Raises BadInput for a name that is no figure of the details.
    """
    checks = [_check(details, name, "at_least", threshold) for name, threshold in at_least.items()]
    checks += [_check(details, name, "at_most", threshold) for name, threshold in at_most.items()]
    return {"passed": all(check["passed"] for check in checks), "checks": checks}


def verdict(gate: Gate) -> str:
    """Passed, or not passed and what failed."""
    failed = [check["figure"] for check in gate["checks"] if not check["passed"]]
    return f"not passed: {', '.join(failed)}" if failed else "passed"


def figure(details: Mapping[str, Any], name: str) -> float | None:
    """The figure that a dotted name leads to, without its interval; None where it leads to none.

    `test.accuracy` is the value, `test.accuracy.low` the lower end of its interval.
    """
    value: Any = details
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    value = value.get("value") if isinstance(value, Mapping) else value
    return value if isinstance(value, int | float) else None


def _check(details: Mapping[str, Any], name: str, bound: Bound, threshold: float) -> Check:
    value = figure(details, name)
    if value is None:
        raise BadInput(f"params.yaml: evaluate.{bound}: {name} is no figure of reports/details.json")
    passed = value >= threshold if bound == "at_least" else value <= threshold
    return {"figure": name, "value": value, "bound": bound, "threshold": threshold, "passed": passed}
