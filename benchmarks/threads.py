"""What decided the service's workers, threads and spinning.

python -m benchmarks.threads      after `make repro`
"""

import os
import statistics

import onnxruntime as ort

from benchmarks.peers import MODEL, onnx_classifier
from benchmarks.serving import CLIENTS, ROUNDS, THREADS, in_process, jpegs, load, quire, share
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


def main() -> None:
    images, classify = jpegs(), onnx_classifier()
    print(f"{os.cpu_count()} cores\n\n| intra-op threads | spinning | forward passes/s, {THREADS} callers |\n|---|---|---|")
    for intra_op, spinning in ((1, False), (2, False), (2, True)):
        print(f"| {intra_op} | {'on' if spinning else 'off'} | {forward(intra_op, spinning, images):.0f} |", flush=True)
    print(f"\n| workers | threads | requests/s, {CLIENTS} clients | ÷ limit |\n|---|---|---|---|")
    for workers, threads in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2)):
        with quire(QUIRE_THREADS=str(threads), BENTOML_CONFIG_OPTIONS=f"services.quire.workers={workers}") as server:
            load(server, images, CLIENTS)  # warm
            pairs = [(load(server, images, CLIENTS).per_second, in_process(classify, images)) for _ in range(ROUNDS)]
        many, limits = zip(*pairs, strict=True)
        print(f"| {workers} | {threads} | {statistics.median(many):.0f} | {share(many, limits)} |", flush=True)


if __name__ == "__main__":
    main()
