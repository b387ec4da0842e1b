"""What decided the service's workers, threads and spinning.

python -m benchmarks.threads      after `make repro`
"""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnxruntime as ort

from benchmarks.peers import MODEL, onnx_classifier
from benchmarks.serving import CLIENTS, THREADS, beside, free_port, in_process, jpegs, load, running
from quire.model.manifest import ENCODER
from quire.model.predictor import Predictor


def forward(intra_op: int, spinning: bool, images: list[bytes]) -> float:
    """Forward passes a second of as many callers as the service has threads, without a server."""
    predictor, options = Predictor(MODEL), ort.SessionOptions()
    options.intra_op_num_threads = intra_op
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    session = ort.InferenceSession(MODEL / ENCODER, options, providers=["CPUExecutionProvider"])
    inputs = [{"images": predictor.prepare(image)[None]} for image in images]
    return in_process(lambda each: session.run(None, each), inputs)


def served(limit: Callable[[], float], images: list[bytes], **environment: str) -> tuple[float, str]:
    """Requests a second of the whole service, and their share of the limit."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment |= {"QUIRE_STORE": f"{folder}/store", "BENTOML_HOME": f"{folder}/bentoml"}
        command = ["bentoml", "serve", "--port", str(port)]
        with running(command, port, Path(folder, "log"), **environment):
            load(port, images[:4], 2)
            return beside(lambda: load(port, images, CLIENTS)[0], limit)


def main() -> None:
    images = jpegs()
    print(f"{os.cpu_count()} cores\n\n| intra-op threads | spinning | forward passes/s, {THREADS} callers |\n|---|---|---|")
    for intra_op, spinning in ((1, False), (2, False), (2, True)):
        print(f"| {intra_op} | {'on' if spinning else 'off'} | {forward(intra_op, spinning, images):.0f} |", flush=True)
    limit = partial(in_process, onnx_classifier(), images)
    print(f"\n| workers | threads | requests/s, {CLIENTS} clients | ÷ limit |\n|---|---|---|---|")
    for workers, threads in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2)):
        options = {"QUIRE_THREADS": str(threads), "BENTOML_CONFIG_OPTIONS": f"services.quire.workers={workers}"}
        many, share = served(limit, images, **options)
        print(f"| {workers} | {threads} | {many:.0f} | {share} |", flush=True)


if __name__ == "__main__":
    main()
