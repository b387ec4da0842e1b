"""Texts over HTTP, alone and beside an image."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from quire.model.evidence import evidence
from quire.model.predictor import Predictor
from quire.training.text import count
from quire.training.text_model import Images, Texts
from tests.quire.model.test_predictor import write_model
from tests.quire.training.test_text_model import SETTINGS, SIZE, made_up, write_both, write_texts
from tests.service.conftest import Serve

pytestmark = pytest.mark.server
SAID = ["chat miaule", "<b>CHIEN</b> aboie", "chaise&nbsp;&amp; lampe", "👩‍👩‍👧 不推荐 لا أنصح लेख", "e\u0301te\u0301", "a" * 20_000]


def texts() -> Texts:
    said, targets = made_up()
    return Texts(count(said, SETTINGS.analyser), targets, np.arange(SIZE) // 3 % 6, np.arange(SIZE))


@pytest.fixture(scope="module")
def both(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Predictor]]:
    folder, known = write_model(tmp_path_factory.mktemp("both")), texts()
    images = Images(np.ones(SIZE, bool), 2 * np.eye(3)[known.targets], np.full(SIZE, 0.1))
    write_both(folder, known, images)
    with serve(model=str(folder), max_characters="20000", keep_images="both") as running:
        yield running.client, Predictor(folder)


def blue() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (0, 0, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def test_every_text_gets_the_predictors_answer_alone_and_beside_an_image(both: tuple[httpx.Client, Predictor]) -> None:
    client, predictor = both
    for text in SAID:
        alone = [client.post("/v1/classify", json={"text": text}), client.post("/v1/classify", files={"text": (None, text)})]
        beside = client.post("/v1/classify", data={"text": text}, files={"image": blue()})
        expected = predictor.classify_item(None, text)
        assert [answer.json()["probabilities"] for answer in alone] == [expected.probabilities] * 2
        assert [answer.json()["decision"] for answer in alone] == [expected.decision] * 2
        assert beside.json()["probabilities"] == predictor.classify_item(predictor.prepare(blue()), text).probabilities
    image = client.post("/v1/classify", files={"image": blue()}).json()
    assert image["probabilities"] == predictor.classify(blue()).probabilities
    assert (
        client.post("/v1/classify", data={"text": "  "}, files={"image": blue()}).json()["probabilities"] == image["probabilities"]
    )


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"json": {"text": "a" * 20_001}}, 413, "too_large"),
        ({"json": {"text": "a\0b"}}, 400, "malformed"),
        ({"content": b'{"text": "\\ud800"}', "headers": {"Content-Type": "application/json"}}, 400, "malformed"),
        ({"content": b'{"text": "\xff"}', "headers": {"Content-Type": "application/json"}}, 400, "malformed"),
        ({"json": {"text": 1}}, 400, "wrong_field"),
        ({"json": {"texte": "a"}}, 400, "wrong_field"),
        ({"json": {"text": " "}}, 400, "wrong_field"),
        ({"data": {"text": ["a", "b"]}, "files": {"image": b"x"}}, 400, "wrong_field"),
        ({"files": {"text": b"a"}}, 400, "wrong_field"),
        ({"json": {"text": "a" * 10_000_000}}, 413, "too_large"),
    ],
)
def test_what_is_no_item_is_refused(both: tuple[httpx.Client, Predictor], request_: dict[str, Any], status: int, code: str) -> None:
    answer = both[0].post("/v1/classify", **request_)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_model_of_texts_alone_reads_no_image(serve: Serve, tmp_path: Path) -> None:
    write_texts(tmp_path, texts())
    with serve(model=str(tmp_path)) as running:
        assert running.client.get("/health").status_code == 200
        assert running.client.post("/v1/classify", json={"text": "chien aboie"}).json()["decision"] == "dog"
        answer = running.client.post("/v1/classify", files={"image": blue()})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "wrong_field")
        assert (
            running.client.post("/v1/classify/batch", files={"images": blue()}).json()["answers"][0]["error"]["code"]
            == "wrong_field"
        )


def test_why_names_the_words_that_speak_for_and_against(both: tuple[httpx.Client, Predictor]) -> None:
    client, predictor = both
    why = client.post("/v1/classify?explain=true", json={"text": "chat miaule aboie"}).json()["why"]
    assert set(why) == {"words"}
    first, second = sorted(predictor.classify_item(None, "chat miaule aboie").probabilities.items(), key=lambda pair: -pair[1])[:2]
    told = evidence(predictor, "chat miaule aboie", first[0], second[0])
    for side, words in zip(("speak_for", "speak_against"), told, strict=True):
        assert [(word["ngram"], word["weight"]) for word in why["words"][side]] == [(word.ngram, word.weight) for word in words]
    beside = client.post("/v1/classify?explain=true", data={"text": "chat"}, files={"image": blue()}).json()
    assert set(beside["why"]) == {"places", "nearest", "words"}
    assert sum(beside["experts"].values()) == pytest.approx(1, abs=1e-4)
