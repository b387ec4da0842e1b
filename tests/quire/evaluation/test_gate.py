import pytest

from quire.command import BadInput
from quire.evaluation.gate import figure, judge, verdict

DETAILS = {"test": {"accuracy": {"value": 0.9, "low": 0.8, "high": 1.0}, "images": 23}, "margin": 0.2}


def test_a_dotted_name_leads_to_a_figure_or_an_end_of_its_interval() -> None:
    names = ["test.accuracy", "test.accuracy.low", "test.images", "margin", "test", "test.accuracy.low.value", "margin.x"]
    assert [figure(DETAILS, name) for name in names] == [0.9, 0.8, 23, 0.2, None, None, None]


def test_the_gate_names_what_fails() -> None:
    passed = judge(DETAILS, {"test.accuracy": 0.9}, {"margin": 0.2})
    assert passed["passed"]
    assert verdict(passed) == "passed"
    gate = judge(DETAILS, {"test.accuracy": 0.95}, {"margin": 0.1})
    assert not gate["passed"]
    assert gate["checks"][0] == {"figure": "test.accuracy", "value": 0.9, "bound": "at_least", "threshold": 0.95, "passed": False}
    assert verdict(gate) == "not passed: test.accuracy, margin"


def test_a_name_that_is_no_figure_is_refused() -> None:
    with pytest.raises(BadInput, match=r"evaluate.at_least: test.acuracy is no figure of reports/details.json"):
        judge(DETAILS, {"test.acuracy": 0.9}, {})
