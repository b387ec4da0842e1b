"""The service over HTTP, as its clients meet it."""

import base64
import csv
import functools
import gzip
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from PIL import Image

from quire.demo.images import ENCRYPTED, pdf
from quire.model.manifest import ANSWER, FILE
from tests.conftest import ROOT, free_port
from tests.quire.model.test_predictor import LABELS, write_model
from tests.service.conftest import Serve, Server, command, environment, wait_until_ready

pytestmark = pytest.mark.server


def plain(colour: str, encoding: str = "PNG", size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    """An image of one colour: the test's model calls red cat, green dog, blue other, and grey it is unsure of."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, encoding, **options)
    return buffer.getvalue()


def refusal(response: httpx.Response) -> tuple[int, str]:
    assert set(response.json()) == {"error"}
    assert set(response.json()["error"]) == {"code", "message"}
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize(("colour", "label"), [("red", "cat"), ("lime", "dog"), ("blue", "other")])
@pytest.mark.parametrize("encoding", ["PNG", "JPEG", "WEBP"])
def test_an_image_as_form_or_as_raw_body_gets_an_answer(server: Server, colour: str, label: str, encoding: str) -> None:
    data = plain(colour, encoding)
    form = server.client.post("/v1/classify", files={"image": ("any.txt", data, "text/plain")}).json()
    raw = server.client.post("/v1/classify", content=data, headers={"Content-Type": "application/x-anything"}).json()
    assert form["prediction"] == form["decision"] == raw["prediction"] == label
    assert form["probabilities"] == raw["probabilities"]
    assert sum(form["probabilities"].values()) == pytest.approx(1)
    assert set(form["model"]) == {"version", "commit", "data"}
    assert form["id"] != raw["id"]


def test_an_unsure_answer_says_so(server: Server) -> None:
    answer = server.client.post("/v1/classify", content=plain("grey")).json()
    assert answer["decision"] == "unsure"
    assert answer["prediction"] in LABELS


def test_a_batch_answers_in_order_and_one_bad_image_spoils_only_its_row(server: Server) -> None:
    contents = [plain("red"), b"no image", plain("blue")]
    response = server.client.post("/v1/classify/batch", files=[("images", content) for content in contents])
    rows = response.json()["answers"]
    assert response.status_code == 200
    assert [row.get("prediction") for row in rows] == ["cat", None, "other"]
    assert rows[1]["error"]["code"] == "not_an_image"


def test_a_pdf_gets_a_row_for_each_image_of_each_page(server: Server) -> None:
    red, blue = plain("red", "JPEG"), plain("blue", "JPEG")
    rows = server.client.post("/v1/classify/pdf", files={"pdf": pdf([red, blue, red])}).json()["images"]
    assert [(row["page"], row["index"], row["prediction"], row["repeat"]) for row in rows] == [
        (0, 0, "cat", False),
        (1, 0, "other", False),
        (2, 0, "cat", True),
    ]


def test_a_row_of_a_pdf_holds_a_small_copy_of_its_image_by_the_name_that_was_asked_for(server: Server) -> None:
    document = pdf([plain("red", "JPEG", size=(800, 400))])

    def row(query: str) -> dict[str, Any]:
        return dict(server.client.post(f"/v1/classify/pdf{query}", content=document).json()["images"][0])

    named, earlier, neither = row("?thumbnails=true"), row("?pictures=true"), row("")
    assert named["thumbnail"] == earlier["picture"]
    assert set(named) - set(neither) == {"thumbnail"}
    assert set(earlier) - set(neither) == {"picture"}
    with Image.open(io.BytesIO(base64.b64decode(named["thumbnail"].removeprefix("data:image/jpeg;base64,")))) as copy:
        assert copy.size == (320, 160)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"text", (415, "not_a_pdf")),
        (plain("red"), (415, "not_a_pdf")),
        (b"", (422, "unreadable_pdf")),
        (ENCRYPTED, (422, "unreadable_pdf")),
        (b"%PDF-1.7 nothing", (422, "unreadable_pdf")),
        (pdf([None] * 4), (422, "unreadable_pdf")),
    ],
)
def test_a_bad_pdf_is_refused(server: Server, content: bytes, expected: tuple[int, str]) -> None:
    assert refusal(server.client.post("/v1/classify/pdf", content=content)) == expected


def test_the_earlier_api_is_answered_as_before(server: Server) -> None:
    assert server.client.get("/health").json() == {"status": "OK"}
    answer = server.client.post("/upload", files={"file": ("x.png", plain("red"))}).json()
    assert answer["prediction"] == "Cat"
    assert answer["values"] == pytest.approx([1, 0, 0], abs=1e-3)


@functools.cache
def bomb(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


HOSTILE: dict[str, tuple[Callable[[], bytes], tuple[int, str]]] = {
    "empty": (lambda: b"", (400, "empty")),
    "text": (lambda: b"hello", (415, "not_an_image")),
    "a PDF as image": (lambda: pdf([plain("red", "JPEG")]), (415, "not_an_image")),
    "SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://192.0.2.1/"/></svg>', (415, "not_an_image")),
    "GIF without an image": (lambda: b"GIF89a\1\0\1\0\0\0\0;", (422, "damaged_image")),
    "TIFF": (lambda: b"II*\0\x08\0\0\0", (415, "not_an_image")),
    "a URL": (lambda: b"http://192.0.2.1/cat.jpg", (415, "not_an_image")),
    "JSON with a URL": (lambda: b'{"image": "http://192.0.2.1/cat.jpg"}', (415, "not_an_image")),
    "truncated JPEG": (lambda: plain("red", "JPEG", (300, 300))[:700], (422, "damaged_image")),
    "truncated PNG": (lambda: bomb(500)[:60], (422, "damaged_image")),
    "pixel bomb of 9,000²": (lambda: bomb(9000), (413, "too_many_pixels")),
    "pixel bomb of 30,000²": (lambda: bomb(30000), (413, "too_many_pixels")),
    "300 kB and one": (lambda: plain("red") + b"\0" * 300_000, (413, "too_large")),
    "50 MB": (lambda: b"\0" * 50_000_000, (413, "too_large")),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("route", ["/v1/classify", "/upload"])
def test_a_hostile_body_is_refused_and_said_why(server: Server, name: str, route: str) -> None:
    make, expected = HOSTILE[name]
    content = make()
    field = "image" if route == "/v1/classify" else "file"
    assert refusal(server.client.post(route, content=content)) == expected
    assert refusal(server.client.post(route, files={field: ("x.jpg", content, "image/jpeg")})) == expected


def test_a_hostile_image_inside_a_batch_spoils_only_its_row(server: Server) -> None:
    small = [HOSTILE[name][0]() for name in ("text", "SVG", "truncated JPEG")]
    rows = server.client.post("/v1/classify/batch", files=[("images", content) for content in [*small, plain("red")]]).json()[
        "answers"
    ]
    assert ["error" in row for row in rows] == [True, True, True, False]


@pytest.mark.parametrize(
    ("request_parts", "expected"),
    [
        ({"files": {"photo": plain("red")}}, (400, "wrong_field")),
        ({"files": {"image": (None, "http://192.0.2.1/cat.jpg")}}, (400, "wrong_field")),
        ({"files": [("image", plain("red")), ("image", plain("blue"))]}, (400, "too_many_images")),
        ({"files": {"image": ("x", b"")}}, (400, "empty")),
        ({"content": b"no form", "headers": {"Content-Type": "multipart/form-data"}}, (400, "malformed")),
        ({"content": b"--x\r\nbroken", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, (400, "malformed")),
        ({"content": b"--x--\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, (400, "wrong_field")),
        (
            {"content": b"\xff" * 300, "headers": {"Content-Type": "multipart/form-data; boundary=\u00e9".encode("latin-1")}},
            (400, "malformed"),
        ),
    ],
)
def test_a_wrong_form_is_refused(server: Server, request_parts: dict[str, Any], expected: tuple[int, str]) -> None:
    assert refusal(server.client.post("/v1/classify", **request_parts)) == expected


def test_chunks_without_a_length_are_counted(server: Server) -> None:
    def chunks(count: int) -> Any:
        yield plain("red")
        for _ in range(count):
            yield b"\0" * 10_000

    assert server.client.post("/v1/classify", content=chunks(2)).json()["prediction"] == "cat"
    assert refusal(server.client.post("/v1/classify", content=chunks(100))) == (413, "too_large")


def test_other_paths_and_methods_are_refused_in_the_same_words(server: Server) -> None:
    for path in ("/v2/nothing", "/v1/classify/", "/docs.json", "/schema.json"):  # the last two are BentoML's
        assert refusal(server.client.get(path)) == (404, "not_found")
    for method, path, allowed in (("GET", "/v1/classify", {"POST"}), ("POST", "/health", {"GET", "HEAD"})):
        refused = server.client.request(method, path)
        assert (*refusal(refused), set(refused.headers["Allow"].split(", "))) == (405, "method_not_allowed", allowed)


def test_too_many_images_in_a_batch_are_refused(server: Server) -> None:
    assert refusal(server.client.post("/v1/classify/batch", files=[("images", plain("red"))] * 5)) == (400, "too_many_images")
    assert refusal(server.client.post("/v1/classify/batch", content=plain("red"))) == (400, "wrong_field")


def test_feedback_is_kept_once_and_as_import_labels_reads_it(server: Server) -> None:
    data = plain("red", size=(41, 31))
    answer = server.client.post("/v1/classify", content=data).json()
    given = server.client.post("/v1/feedback", data={"id": answer["id"], "label": "dog"}, files={"image": data})
    assert (given.status_code, given.json()) == (201, {"id": answer["id"], "label": "dog"})
    assert refusal(server.client.post("/v1/feedback", json={"id": answer["id"], "label": "cat"})) == (409, "already_given")
    (row,) = csv.DictReader((server.folder / "store" / f"{answer['id']}.csv").read_text().splitlines())
    assert (row["label"], row["annotator"]) == ("dog", "feedback unnamed")
    assert (server.folder / "store" / "images" / row["sha256"]).read_bytes() == data


def test_another_image_than_the_answers_is_refused_and_not_kept(server: Server) -> None:
    answer = server.client.post("/v1/classify", content=plain("red", size=(43, 31))).json()
    form: dict[str, Any] = {"data": {"id": answer["id"], "label": "dog"}, "files": {"image": plain("blue", size=(43, 31))}}
    assert refusal(server.client.post("/v1/feedback", **form)) == (400, "wrong_image")
    assert not (server.folder / "store" / f"{answer['id']}.csv").exists()
    form["files"] = {"image": plain("red", size=(43, 31))}
    assert server.client.post("/v1/feedback", **form).status_code == 201


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"id": "0", "label": "cat"}', (404, "unknown_id")),
        (b'{"id": "../../etc/passwd", "label": "cat"}', (404, "unknown_id")),
        (b'{"label": "cat"}', (400, "wrong_field")),
        (b'{"id": 5, "label": ["cat"]}', (400, "wrong_field")),
        (b"[]", (400, "wrong_field")),
        (b"{", (400, "malformed")),
        (b"[" * 100_000, (400, "malformed")),
        (b"", (400, "malformed")),
    ],
)
def test_bad_feedback_is_refused(server: Server, body: bytes, expected: tuple[int, str]) -> None:
    assert refusal(server.client.post("/v1/feedback", content=body)) == expected


def test_a_label_outside_the_classes_is_refused(server: Server) -> None:
    answer = server.client.post("/v1/classify", content=plain("red")).json()
    form = b'--x\r\nContent-Disposition: form-data; name="id"\r\n\r\n' + answer["id"].encode()
    form += b'\r\n--x\r\nContent-Disposition: form-data; name="label"\r\n\r\nbird\r\n--x--\r\n'
    headers = {"Content-Type": "Multipart/Form-Data; boundary=x"}  # a media type's case means nothing
    assert refusal(server.client.post("/v1/feedback", content=form, headers=headers)) == (400, "unknown_label")
    assert refusal(server.client.post("/v1/feedback", json={"id": answer["id"], "label": "bird"})) == (400, "unknown_label")


def test_images_are_kept_only_where_configuration_says_so(serve: Serve, server: Server) -> None:
    unsure = plain("grey", size=(33, 33))
    with serve() as private:
        private.client.post("/v1/classify", content=unsure)
        assert not (private.folder / "store" / "images").exists()
    before = set((server.folder / "store" / "images").glob("*")) if (server.folder / "store" / "images").exists() else set()
    server.client.post("/v1/classify", content=unsure)
    assert [path.read_bytes() for path in set((server.folder / "store" / "images").glob("*")) - before] == [unsure]


def test_without_its_pdf_part_the_service_says_so(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pymupdf.py").write_text("raise ImportError('not installed here')")
    monkeypatch.setenv("QUIRE_TEST_PATH", str(tmp_path))
    with serve() as without:
        assert refusal(without.client.post("/v1/classify/pdf", content=pdf([plain("red", "JPEG")]))) == (501, "no_pdf_support")
        assert without.client.post("/v1/classify", content=plain("red")).status_code == 200


def test_the_service_loads_nothing_that_trains_and_nothing_that_only_training_installs() -> None:
    code = "import sys, service.app; print(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert not {"torch", "pytorch_lightning", "mlflow", "dvc", "pymupdf", "sklearn", "pandas", "ruamel"} & set(loaded)


def test_probes_metrics_openapi_and_log(server: Server) -> None:
    for probe in ("/livez", "/readyz"):
        assert server.client.get(probe).status_code == 200
    response = server.client.post("/v1/classify", content=plain("lime"))
    server.client.post("/v1/classify", content=b"text")
    exported = server.client.get("/metrics").text
    for metric in (
        'quire_requests_total{route="/v1/classify",status="200"}',
        'quire_request_seconds_bucket{le="0.1",route="/v1/classify"}',
        'quire_answers_total{prediction="dog"}',
        "quire_confidence_bucket",
        'quire_unsure_answers_total{reason="low_confidence"}',
        'quire_rejected_total{reason="not_an_image"}',
        "quire_requests_under_way 0.0",
    ):
        assert metric in exported
    document = server.client.get("/openapi.json").json()
    routes = "/v1/classify /v1/classify/batch /v1/classify/pdf /v1/feedback /v1/reload /v1/model /upload /health"
    assert set(document["paths"]) == set(routes.split())
    lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    assert response.headers["X-Request-ID"] in {line["request"] for line in lines}


def test_the_service_opens_no_connection(server: Server) -> None:
    server.client.post("/v1/classify", content=b"http://192.0.2.1/cat.jpg")
    assert not (server.folder / "connections").exists()


def test_traces_go_to_a_collector_by_configuration(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector of our own that takes what the OTLP specification says: protobuf by POST, gzip or not."""
    spans: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans.extend(span.name for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    collector = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    options = {
        "excluded_urls": "readyz",
        "exporter_type": "otlp",
        "sample_rate": "1.0",
        "otlp.protocol": "http",
        "otlp.endpoint": f"http://127.0.0.1:{collector.server_port}/v1/traces",
    }
    monkeypatch.setenv(
        "BENTOML_CONFIG_OPTIONS", " ".join(f"services.quire.tracing.{name}={value}" for name, value in options.items())
    )
    with serve() as traced:
        traced.client.post("/v1/classify", content=plain("red"))
        limit = time.monotonic() + 20
        while not spans and time.monotonic() < limit:  # OpenTelemetry sends every five seconds
            time.sleep(0.1)
    collector.shutdown()
    collector.server_close()
    assert "POST /v1/classify" in spans


def test_a_slow_client_holds_no_worker_and_is_sent_away(server: Server) -> None:
    host, port = server.client.base_url.host, server.client.base_url.port or 0
    slow = [socket.create_connection((host, port), timeout=10) for _ in range(10)]
    for connection in slow:
        connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n123")
    start = time.monotonic()
    assert server.client.post("/v1/classify", content=plain("red")).status_code == 200
    assert time.monotonic() - start < 1.5  # the slow ones are waited for two seconds
    assert all(b"408" in connection.recv(100) for connection in slow)
    for connection in slow:
        connection.close()


def test_bodies_that_are_too_much_together_are_429_until_some_are_gone(serve: Serve) -> None:
    image = plain("red", "PNG") + bytes(100_000)  # what follows the image is not looked at
    with serve(max_bytes="300000", max_bytes_together="500000") as small:
        host, port = small.client.base_url.host, small.client.base_url.port or 0
        slow = [socket.create_connection((host, port), timeout=10) for _ in range(2)]
        for connection in slow:
            connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + bytes(225_000))
        time.sleep(0.5)
        refused = small.client.post("/v1/classify", content=image)
        assert (*refusal(refused), refused.headers["Retry-After"]) == (429, "busy", "1")
        for connection in slow:
            connection.close()
        time.sleep(0.5)
        assert small.client.post("/v1/classify", content=image).status_code == 200


def test_over_the_limit_of_requests_is_429_at_once(serve: Serve) -> None:
    large = plain("red", "PNG", (3000, 3000))
    with serve(max_requests="2", threads="1") as small:
        statuses: list[httpx.Response] = []

        def ask() -> None:
            statuses.append(httpx.post(f"{small.client.base_url}/v1/classify", content=large, timeout=60))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = [response for response in statuses if response.status_code == 429]
        assert 1 <= len(refused) <= 6
        assert {response.status_code for response in statuses} == {200, 429}
        assert refused[0].headers["Retry-After"] == "1"
        assert refusal(refused[0]) == (429, "busy")


def test_a_killed_worker_comes_back_and_sigterm_drains(serve: Serve) -> None:
    with serve() as running:
        worker = subprocess.run(
            ["pgrep", "-P", str(running.process.pid), "-f", "bentoml_impl.worker"], capture_output=True, text=True, check=True
        )
        os.kill(int(worker.stdout.split()[0]), signal.SIGKILL)
        time.sleep(0.5)
        wait_until_ready(running.client, running.process)
        assert running.client.post("/v1/classify", content=plain("red")).status_code == 200
        answers: list[int] = []
        large = plain("red", "PNG", (5000, 5000))
        asking = threading.Thread(
            target=lambda: answers.append(
                httpx.post(f"{running.client.base_url}/v1/classify", content=large, timeout=60).status_code
            )
        )
        asking.start()
        time.sleep(0.2)
        running.process.send_signal(signal.SIGTERM)
        asking.join()
        assert answers == [200]
        assert running.process.wait(timeout=20) == 0
        with sqlite3.connect(running.folder / "store" / "answers.db") as log:
            assert log.execute("SELECT count(*) FROM answers").fetchone() == (2,)
        log.close()


@pytest.mark.parametrize(
    ("damage", "options", "settings", "message"),
    [
        ("missing", [], {}, "model.json: no such file"),
        ("damaged", [], {}, "answer_image.onnx: is not the file that model.json names"),
        ("labels", [], {}, "3 probabilities for 2 labels"),
        ("size", [], {}, "the encoder takes images of 8 x 8, model.json says 16"),
        ("", [], {"max_bytes": "many"}, "QUIRE_MAX_BYTES: Input should be a valid integer"),
        ("", ["--host", "0.0.0.0"], {}, "0.0.0.0 is a public address and QUIRE_OIDC_ISSUER is not set"),
        ("", [], {"store": "/dev/null/store"}, "QUIRE_STORE: /dev/null/store: nothing can be kept there: "),
        ("", [], {"store": "/proc"}, "QUIRE_STORE: /proc: nothing can be kept there: unable to open database file"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_exit_1(
    tmp_path: Path, damage: str, options: list[str], settings: dict[str, str], message: str
) -> None:
    model = write_model(tmp_path / "model", ["cat", "dog"] if damage == "labels" else LABELS)
    if damage == "size":
        (model / FILE).write_text((model / FILE).read_text().replace('"size": 8', '"size": 16'))
    if damage == "missing":
        (model / FILE).unlink()
    if damage == "damaged":
        (model / ANSWER).write_bytes(b"no model")
    failed = subprocess.run(
        command(free_port(), *options),
        cwd=ROOT,
        env=environment(tmp_path, **settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert failed.returncode == 1
    assert message in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1


def test_a_public_address_without_auth_can_be_meant(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    port = free_port()
    surroundings = environment(tmp_path, public_without_auth="true")
    process = subprocess.Popen(
        command(port, "--host", "0.0.0.0"), cwd=ROOT, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until_ready(client, process)
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    assert "quire: no authentication (QUIRE_OIDC_ISSUER is not set), listening on 0.0.0.0" in output


def test_why_is_told_on_request_and_training_images_only_where_configuration_allows(server: Server, serve: Serve) -> None:
    assert "why" not in server.client.post("/v1/classify", content=plain("lime")).json()
    assert server.client.post("/v1/classify?explain=true", content=plain("lime")).json()["why"]["nearest"] == []
    with serve(explain_neighbours="true", max_requests="1") as telling:  # an explanation takes no second place
        answer = telling.client.post("/v1/classify?explain=1", content=plain("lime")).json()
    places = base64.b64decode(answer["why"]["places"].removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(places)).size == (8, 8)
    assert [each["document"] for each in answer["why"]["nearest"]] == ["b.pdf", "a.pdf"]
    assert answer["reason"] is None
