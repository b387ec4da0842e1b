"""Requests a second and latency of the service against its peers: one machine, one run, the same weights and images.

python -m benchmarks.serving      after `make repro`; `make benchmark` installs the peers
"""

import contextlib
import http.client
import io
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from PIL import Image

from benchmarks.peers import ENGINES, MODEL, Probabilities, onnx_classifier
from quire.decode import decode

SECONDS, ROUNDS, CLIENTS, THREADS = 3, 6, 8, 2
Item = TypeVar("Item")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # torch's own default is a thread a core
PEERS: dict[str, tuple[list[str], dict[str, str]]] = {
    "FastAPI + ONNX Runtime": (["peers", "onnx"], {}),
    "LitServe + ONNX Runtime, 2 workers": (["litserve_peer", "onnx", "2"], {}),
    "FastAPI + torch, as it comes": (["peers", "torch"], {}),
    "FastAPI + torch, one thread a request": (["peers", "torch"], ONE_THREAD),
    "LitServe + torch, as it comes (1 worker)": (["litserve_peer", "torch", "1"], {}),
    "LitServe + torch, 2 workers of one thread": (["litserve_peer", "torch", "2"], ONE_THREAD),
}


def jpegs(count: int = 30) -> list[bytes]:
    """JPEGs of 500×375 made of the images in data/images."""
    files = sorted(Path("data/images").iterdir())[:count]
    return [_jpeg(decode(file.read_bytes()).resize((500, 375))) for file in files]


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path, **environment: str) -> Iterator[float]:
    """Start a server; yield the seconds until it answered."""
    start = time.perf_counter()
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=stream, stderr=stream, start_new_session=True)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - start > 90:
                raise RuntimeError(f"{' '.join(command)} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield time.perf_counter() - start
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/v1/classify", body=b"")
        connection.getresponse().read()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def load(port: int, images: list[bytes], clients: int, as_form: bool = False) -> tuple[float, float]:
    """Requests a second and the median latency in milliseconds, with so many clients that each wait for their answer.

    Bare sockets and requests made beforehand: the clients share the cores with the server, and should not weigh.
    """
    latencies: list[float] = []
    requests = [_request(image, as_form) for image in images]
    end = time.perf_counter() + SECONDS

    def client(number: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            while time.perf_counter() < end:
                start = time.perf_counter()
                connection.sendall(requests[number % len(requests)])
                _read_answer(connection)
                latencies.append(time.perf_counter() - start)
                number += 1

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    return len(latencies) / (time.perf_counter() - start), 1000 * statistics.median(latencies)


def _request(image: bytes, as_form: bool) -> bytes:
    body, kind = image, "image/jpeg"
    if as_form:
        part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n'
        body, kind = part + image + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"
    head = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _read_answer(connection: socket.socket) -> None:
    answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200"), answer[:500]
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, body = answer.split(b"\r\n\r\n", 1)
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)


def in_process(work: Callable[[Item], object], items: list[Item]) -> float:
    """Items a second on the same cores, without a server; of decode and forward it is the limit."""
    with ThreadPoolExecutor(THREADS) as pool:
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS:
            count += len(list(pool.map(work, items)))
        return count / (time.perf_counter() - start)


def alone(classify: Probabilities, images: list[bytes]) -> float:
    """The median milliseconds of decode and forward, one image after the other."""
    times = []
    for data in images * 3:
        start = time.perf_counter()
        classify(data)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def beside(ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, str]:
    """The mean of a measure, and its share of another that is taken in turns with it: the machine's speed wanders."""
    pairs = [(ours(), theirs()) for _ in range(ROUNDS)]
    shares = [one / other for one, other in pairs]
    error = statistics.stdev(shares) / len(shares) ** 0.5
    return statistics.mean(one for one, _ in pairs), f"{statistics.mean(shares):.3f} ± {error:.3f}"


def main() -> None:
    images, classify = jpegs(), onnx_classifier()
    reference = [ENGINES[engine]()(images[0]) for engine in ("onnx", "torch")]
    assert abs(reference[0] - reference[1]).max() < 1e-3, "the engines do not hold the same weights"
    limit, one_by_one = partial(in_process, classify, images), partial(alone, classify, images)
    print(f"{len(images)} JPEGs of 500×375, {os.cpu_count()} cores, {CLIENTS} clients, {ROUNDS} rounds of {SECONDS} s each\n")
    print("| | requests/s | ÷ limit | p50 at one client, ms | ÷ in process | ready after, s |\n|---|---|---|---|---|---|")
    print(f"| in process: decode + forward, {THREADS} threads | {limit():.0f} | 1 | {one_by_one():.1f} | 1 | |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        store = {"QUIRE_MODEL": str(MODEL), "QUIRE_STORE": f"{folder}/store", "BENTOML_HOME": f"{folder}/bentoml"}
        systems = {"Quire": (["bentoml", "serve", "--port"], store)}
        systems |= {name: ([sys.executable, "-m", f"benchmarks.{peer[0]}", *peer[1:]], own) for name, (peer, own) in PEERS.items()}
        for name, (command, own) in systems.items():
            port = free_port()
            with running([*command, str(port)], port, Path(folder, "log"), **own) as ready:
                ask = partial(load, port, images, as_form=name.startswith("LitServe"))  # the others take the body as it is
                ask(CLIENTS)  # warm
                many, share = beside(lambda: ask(CLIENTS)[0], limit)  # noqa: B023 - called at once
                one, times = beside(lambda: ask(1)[1], one_by_one)  # noqa: B023
            print(f"| {name} | {many:.0f} | {share} | {one:.1f} | {times} | {ready:.1f} |", flush=True)


if __name__ == "__main__":
    main()
