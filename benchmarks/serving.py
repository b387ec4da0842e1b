"""Requests a second, latency and processor of the service and its peers: one machine, one run, the same weights and images.

python -m benchmarks.serving [PEER]      after `make repro`; `make benchmark` installs the peers
"""

import contextlib
import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil

from benchmarks.peers import ENGINES, MODEL, Probabilities, onnx_classifier
from quire.decode import decode
from quire.demo.drawing import encoded

SECONDS, ROUNDS, CLIENTS, THREADS = 2, 9, 8, 2
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


class Server(NamedTuple):
    """A running server: where, which process, and how many seconds after its start it answered."""

    port: int
    process: psutil.Process
    ready: float

    @property
    def processor(self) -> float:
        """Milliseconds of processor that it and its children have used."""
        return 1000 * sum(sum(each.cpu_times()[:2]) for each in (self.process, *self.process.children(recursive=True)))


class Load(NamedTuple):
    """What clients got: requests a second, the median latency and the server's processor a request in milliseconds."""

    per_second: float
    latency: float
    processor: float


def jpegs(count: int = 30) -> list[bytes]:
    """JPEGs of 500×375 made of the images in data/images."""
    files = sorted(Path("data/images").iterdir())[:count]
    return [encoded(decode(file.read_bytes()).resize((500, 375)), quality=90) for file in files]


@contextlib.contextmanager
def running(command: list[str], log: Path, **environment: str) -> Iterator[Server]:
    """Start a server, whose command ends with its port, and wait until it answers."""
    start, port = time.perf_counter(), free_port()
    with log.open("w") as stream:
        given: dict[str, Any] = {"env": os.environ | environment, "stdout": stream, "stderr": stream, "start_new_session": True}
        process = subprocess.Popen([*command, str(port)], **given)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - start > 90:
                raise RuntimeError(f"{' '.join(command)} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield Server(port, psutil.Process(process.pid), time.perf_counter() - start)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def quire(**environment: str) -> Iterator[Server]:
    """Start the service, with a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"QUIRE_MODEL": str(MODEL), "QUIRE_STORE": f"{folder}/store", "BENTOML_HOME": f"{folder}/bentoml"}
        with running(["bentoml", "serve", "--port"], Path(folder, "log"), **own | environment) as server:
            yield server


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


def load(server: Server, images: list[bytes], clients: int, form: bool = False) -> Load:
    """Let so many clients ask, who each wait for their answer.

    Bare sockets and requests made beforehand: the clients share the cores with the server, and should not weigh.
    """
    latencies: list[float] = []
    requests = [_request(image, form) for image in images]
    start, used = time.perf_counter(), server.processor

    def client(number: int) -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            while time.perf_counter() < start + SECONDS:
                begin = time.perf_counter()
                connection.sendall(requests[number % len(requests)])
                _read_answer(connection)
                latencies.append(time.perf_counter() - begin)
                number += 1

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    seconds, count = time.perf_counter() - start, len(latencies)
    return Load(count / seconds, 1000 * statistics.median(latencies), (server.processor - used) / count)


def as_form(image: bytes) -> bytes:
    """The image in a form whose boundary is x."""
    return b'--x\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n' + image + b"\r\n--x--\r\n"


def _request(image: bytes, form: bool) -> bytes:
    body, kind = (as_form(image), "multipart/form-data; boundary=x") if form else (image, "image/jpeg")
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


def share(ones: Sequence[float], others: Sequence[float]) -> str:
    """The median ratio of two measures that were taken in turns, for the machine's speed wanders, and its standard error."""
    ratios = [one / other for one, other in zip(ones, others, strict=True)]
    return f"{statistics.median(ratios):.3f} ± {1.25 * statistics.stdev(ratios) / len(ratios) ** 0.5:.3f}"


def row(name: str, asked: Server, reference: Server, classify: Probabilities, images: list[bytes], form: bool) -> str:
    """A row of the table: a server in turns with the reference and with no server at all."""
    load(asked, images, CLIENTS, form)  # warm
    many, theirs, one, limits = [], [], [], []
    for _ in range(ROUNDS):
        many.append(load(asked, images, CLIENTS, form))
        theirs.append(load(reference, images, CLIENTS).per_second)
        limits.append(in_process(classify, images))
        one.append(load(asked, images, 1, form).latency)
    asks, (per_second, _, processor) = (
        [each.per_second for each in many],
        (statistics.median(each) for each in zip(*many, strict=True)),
    )
    cells = [
        name,
        f"{per_second:.0f}",
        share(asks, limits),
        share(theirs, asks),
        f"{processor:.2f}",
        f"{statistics.median(one):.1f}",
    ]
    return f"| {' | '.join([*cells, f'{asked.ready:.1f}'])} |"


def main() -> None:
    images, classify = jpegs(), onnx_classifier()
    peers = {name: peer for name, peer in PEERS.items() if not sys.argv[1:] or sys.argv[1] in name}
    reference = [ENGINES[engine]()(images[0]) for engine in ("onnx", "torch")]
    assert abs(reference[0] - reference[1]).max() < 1e-3, "the engines do not hold the same weights"
    print(f"{len(images)} JPEGs of 500×375, {os.cpu_count()} cores, {CLIENTS} clients, {ROUNDS} rounds of {SECONDS} s each\n")
    print("| | requests/s | ÷ limit | Quire ÷ it | processor a request, ms | p50 of one client, ms | ready after, s |")
    print("|---|---|---|---|---|---|---|")
    with quire() as ours, tempfile.TemporaryDirectory() as folder:
        print(row("Quire", ours, ours, classify, images, form=False), flush=True)
        for name, ((module, *arguments), own) in peers.items():
            command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
            with running(command, Path(folder, "log"), **own) as server:  # LitServe takes forms, the others the body as it is
                print(row(name, server, ours, classify, images, form=name.startswith("LitServe")), flush=True)


if __name__ == "__main__":
    main()
