"""What the zero-shot experts and the unfamiliarity cost: the served model against the same encoder with a linear head alone.

python -m benchmarks.trust      after `make repro`; one image, one thread, both in turns
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import Extractor

from benchmarks.peers import MODEL
from quire.model.manifest import ENCODER
from quire.model.predictor import Predictor

ROUNDS = 300


def plain(path: Path, classes: int) -> bytes:
    """The model's own encoder up to the features, a linear layer and a softmax, as ONNX."""
    model: onnx.ModelProto = Extractor(onnx.load(path)).extract_model(["images"], ["features"])
    weight = numpy_helper.from_array(np.zeros((1280, classes), np.float32), "head_weight")
    model.graph.initializer.append(weight)
    model.graph.node.append(helper.make_node("MatMul", ["features", "head_weight"], ["head_logits"]))
    model.graph.node.append(helper.make_node("Softmax", ["head_logits"], ["probabilities"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes]))
    content: bytes = model.SerializeToString()
    return content


def main() -> None:
    served, options = Predictor(MODEL), ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    alone = ort.InferenceSession(plain(MODEL / ENCODER, len(served.labels)), options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).integers(0, 256, (1, served.size, served.size, 3), dtype=np.uint8)
    works: dict[str, Callable[[], object]] = {
        "encoder and linear head": lambda: alone.run(["probabilities"], {"images": image}),
        "served: all experts and unfamiliarity": lambda: served.run(image),
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            times[name].append(1000 * (time.perf_counter() - start))
    first = next(iter(times.values()))
    print("| | median, ms | fastest tenth, ms | ratio of the medians | of the fastest tenths |\n|---|---|---|---|---|")
    for name, each in times.items():
        tenth, reference = np.quantile(each, 0.1), np.quantile(first, 0.1)
        ratio = statistics.median(each) / statistics.median(first)
        print(f"| {name} | {statistics.median(each):.2f} | {tenth:.2f} | {ratio:.3f} | {tenth / reference:.3f} |")


if __name__ == "__main__":
    main()
