"""Another model while requests go on: a real service, asked without a pause."""

import shutil
import threading
from collections.abc import Iterator

import httpx
import pytest

from quire.model.predictor import Predictor
from tests.quire.model.test_predictor import LABELS, write_model
from tests.service.conftest import Serve, Server
from tests.service.test_api import plain, refusal

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def exchanged(serve: Serve) -> Iterator[Server]:
    with serve(max_requests="64") as running:
        yield running


def put(server: Server, **thresholds: float) -> str:
    """Another model under QUIRE_MODEL; returns its version."""
    return Predictor(write_model(server.folder / "model", LABELS, **thresholds)).version


class Asking:
    """Clients that ask without a pause while the block runs; `answers` has (status, model version) of each request."""

    def __init__(self, server: Server) -> None:
        self.url, self.answers, self.ended = str(server.client.base_url), list[tuple[int, str]](), threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(3)]

    def _ask(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.ended.is_set():
                answer = client.post("/v1/classify", content=plain("red"))
                self.answers.append((answer.status_code, answer.json().get("model", {}).get("version", "")))

    def __enter__(self) -> "Asking":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def test_under_load_no_request_fails_and_each_answer_names_its_model(exchanged: Server) -> None:
    served = set[str]()
    with Asking(exchanged) as asking:
        for number in range(5):
            version = put(exchanged, risk=0.01 * number)
            answer = exchanged.client.post("/v1/reload")
            assert (answer.status_code, answer.json()) == (200, {"version": version, "workers": 1})
            now = exchanged.client.post("/v1/classify", content=plain("red")).json()["model"]["version"]
            assert now == version
            served.add(version)
    assert {status for status, _ in asking.answers} == {200}
    assert len(served & {version for _, version in asking.answers}) > 1


def test_a_bad_model_is_refused_with_one_line_and_the_old_one_stays(exchanged: Server) -> None:
    version = put(exchanged)
    exchanged.client.post("/v1/reload")
    (exchanged.folder / "model" / "answer_image.onnx").write_bytes(b"no graph")
    answer = exchanged.client.post("/v1/reload")
    assert refusal(answer) == (409, "bad_model")
    assert "is not the file that model.json names" in answer.json()["error"]["message"]
    assert exchanged.log().count("quire: error: the model is refused, the present one stays: ") == 1
    assert exchanged.client.post("/v1/classify", content=plain("red")).json()["model"]["version"] == version
    shutil.rmtree(exchanged.folder / "model")
    assert refusal(exchanged.client.post("/v1/reload")) == (409, "bad_model")
    assert exchanged.client.get("/health").status_code == 200
    assert 'quire_reloads_total{outcome="refused"} 2.0' in exchanged.client.get("/metrics").text


def test_where_all_may_ask_nobody_may_reload(serve: Serve) -> None:
    with serve(public_without_auth="true") as public:
        assert refusal(public.client.post("/v1/reload")) == (403, "forbidden")
