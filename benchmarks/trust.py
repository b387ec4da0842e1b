"""What the zero-shot experts and the unfamiliarity cost: the served model against its encoder up to the features.

python -m benchmarks.trust      after `make repro`; one image, one thread, both in turns
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx.utils import extract_model

from benchmarks.peers import MODEL
from quire.model.manifest import ENCODER
from quire.model.predictor import Predictor, load_session, run

ROUNDS = 300


def main() -> None:
    served = Predictor(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.onnx")
        extract_model(MODEL / ENCODER, plain, ["images"], ["features"])
        encoder = load_session(plain)
    image = np.random.default_rng(0).integers(0, 256, (1, served.size, served.size, 3), dtype=np.uint8)
    works: dict[str, Callable[[], object]] = {
        "encoder up to the features": lambda: run(encoder, ("features",), images=image),
        "served: all experts and unfamiliarity": lambda: served.run(image),
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            times[name].append(1000 * (time.perf_counter() - start))
    first = np.quantile(next(iter(times.values())), (0.5, 0.1))
    print("| | median, ms | fastest tenth, ms | ratio of the medians | of the fastest tenths |\n|---|---|---|---|---|")
    for name, each in times.items():
        median, tenth = np.quantile(each, (0.5, 0.1))
        print(f"| {name} | {median:.2f} | {tenth:.2f} | {median / first[0]:.3f} | {tenth / first[1]:.3f} |")


if __name__ == "__main__":
    main()
