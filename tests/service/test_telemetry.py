import asyncio
import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.telemetry import RequestLog
from tests.service.conftest import Serve, Server
from tests.service.test_api import plain

pytestmark = pytest.mark.server


def feedback(server: Server) -> dict[str, float]:
    """How many labels confirm the prediction, and how many do not."""
    families = text_string_to_metric_families(server.client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == "quire_feedback_total"]
    return {"true": 0, "false": 0} | {sample.labels["agrees"]: sample.value for sample in samples}


@pytest.mark.parametrize(("label", "agrees", "otherwise"), [("cat", "true", "false"), ("dog", "false", "true")])
def test_feedback_is_counted_by_whether_it_confirms_the_prediction(server: Server, label: str, agrees: str, otherwise: str) -> None:
    before = feedback(server)
    answer = server.client.post("/v1/classify", content=plain("red")).json()
    for _ in range(2):  # the second is refused, and not counted
        server.client.post("/v1/feedback", json={"id": answer["id"], "label": label})
    after = feedback(server)
    assert after[agrees] == before[agrees] + 1
    assert after[otherwise] == before[otherwise]


def test_services_of_one_user_count_apart(serve: Serve) -> None:
    with serve() as first:
        first.client.post("/v1/classify", content=plain("red"))
        with serve() as second:
            first.client.post("/v1/classify", content=plain("red"))
            assert [answers(server) for server in (first, second)] == [2, 0]


def answers(server: Server) -> float:
    families = text_string_to_metric_families(server.client.get("/metrics").text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == "quire_answers_total")


def test_a_fault_of_the_service_is_logged_as_500_and_a_client_that_left_as_499(capsys: pytest.CaptureFixture[str]) -> None:
    async def status_of(ending: BaseException) -> Any:
        async def app(*_: Any) -> None:
            raise ending

        with pytest.raises(type(ending)):
            await RequestLog(app)({"type": "http", "method": "POST", "path": "/v1/classify"}, None, None)  # type: ignore[arg-type]
        return json.loads(capsys.readouterr().out)["status"]

    assert asyncio.run(status_of(ZeroDivisionError())) == 500
    assert asyncio.run(status_of(asyncio.CancelledError())) == 499
