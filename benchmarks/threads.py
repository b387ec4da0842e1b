"""What decided the service's workers, threads and spinning: python -m benchmarks.threads, after `make repro`."""

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnxruntime as ort

from benchmarks.peers import MODEL
from benchmarks.serving import CLIENTS, SECONDS, free_port, load, pictures, running
from service.predictor import Predictor

CONCURRENT = 2


def forward(intra_op: int, spinning: bool, images: list[bytes]) -> float:
    """Forward passes a second of two callers, without a server."""
    predictor, options = Predictor(MODEL), ort.SessionOptions()
    options.intra_op_num_threads = intra_op
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    session = ort.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
    inputs = [{"images": predictor.prepare(image)[None]} for image in images]
    with ThreadPoolExecutor(CONCURRENT) as pool:
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS / 2:
            count += len(list(pool.map(lambda each: session.run(None, each), inputs)))
        return count / (time.perf_counter() - start)


def served(workers: int, threads: int, images: list[bytes]) -> float:
    """Requests a second of the whole service."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"QUIRE_STORE": f"{folder}/store", "BENTOML_HOME": f"{folder}/bentoml", "QUIRE_THREADS": str(threads)}
        environment["BENTOML_CONFIG_OPTIONS"] = f"services.quire.workers={workers}"
        with running(["bentoml", "serve", "--port", str(port)], port, Path(folder, "log"), **environment):
            load(port, images[:4], 2)
            return load(port, images, CLIENTS)[0]


def main() -> None:
    images = pictures()
    print(f"{os.cpu_count()} cores\n\n| intra-op threads | spinning | forward passes/s, {CONCURRENT} callers |\n|---|---|---|")
    for intra_op, spinning in ((1, False), (2, False), (2, True)):
        print(f"| {intra_op} | {'on' if spinning else 'off'} | {forward(intra_op, spinning, images):.0f} |", flush=True)
    print(f"\n| workers | threads | requests/s, {CLIENTS} clients |\n|---|---|---|")
    for workers, threads in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2)):
        print(f"| {workers} | {threads} | {served(workers, threads, images):.0f} |", flush=True)


if __name__ == "__main__":
    main()
