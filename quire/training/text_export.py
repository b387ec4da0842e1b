"""Write as ONNX, built by hand, the text expert, of whose tables a text reads the rows that it names, and its fusion."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from quire.training.heads import Floats, Head

OPSET, IR = 18, 10
PLACES = {"first": 0, "last": 1}  # of a new axis


def export_text(head: Head, frequencies: Floats, weight: float, path: Path) -> Path:
    """Columns (K,) int64 and counts (K,) float32 of one text → probabilities (1, C), unfamiliarity (1,).

    The weights are kept as (V, C) float32, so that a text reads K rows: on their grid they are exact in it below 16. The
    probabilities are those of the text alone, its logits pooled by `weight`. The unfamiliarity is the mean inverse document
    frequency of the n-grams over the greatest there is: 1 where nothing was ever seen, or nothing is there. `evidence`, (K, C), is
    what each column adds to the logits.
    """
    tables = {
        "frequencies": frequencies,
        "weights": head.weight.T,  # (V, C)
        "bias": head.bias,
        "pooling": np.array(weight),
        "greatest": frequencies.max(),
        "one": np.array(1.0),
        "least": np.array(1e-12),
    }
    initializers = [*_tables(tables), *(numpy_helper.from_array(np.array([at], np.int64), name) for name, at in PLACES.items())]
    outputs = [*_outputs(len(head.bias)), helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["ngrams", len(head.bias)])]
    graph = helper.make_graph(_text_nodes(), "text", _inputs(), outputs, initializers)
    return _write(graph, path)


def export_fusion(weights: Floats, limits: Floats, classes: int, path: Path) -> Path:
    """Of the image's and the text's answer, probabilities (1, C) and unfamiliarity (1,) each → those of both together.

    Log-linear pooling by `weights`, (2,). The unfamiliarity is the greater one, each measured by its own threshold in `limits`,
    (2,): above 1 one of the two would be unfamiliar alone. `said_image` and `said_text`, (1, C), are what is added up.
    """
    names, tables = ("image", "text"), dict[str, Floats]()
    for name, weight, limit in zip(names, weights, limits, strict=True):
        tables |= {f"weight_{name}": np.array(weight), f"limit_{name}": np.array(limit)}
    inputs = [_value(f"probabilities_{name}", [1, classes]) for name in names]
    inputs += [_value(f"unfamiliarity_{name}", [1]) for name in names]
    outputs = _outputs(classes) + [_value(f"said_{name}", [1, classes]) for name in names]
    graph = helper.make_graph(_fusion_nodes(), "fusion", inputs, outputs, _tables(tables | {"least": np.array(1e-30)}))
    return _write(graph, path)


def _tables(tables: dict[str, Floats]) -> list[TensorProto]:
    return [numpy_helper.from_array(np.ascontiguousarray(table, np.float32), name) for name, table in tables.items()]


def _write(graph: onnx.GraphProto, path: Path) -> Path:
    """Checked, and written whole or not at all."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(model.SerializeToString(deterministic=True))
    os.replace(partial, path)
    return path


def _inputs() -> list[onnx.ValueInfoProto]:
    types = {"columns": TensorProto.INT64, "counts": TensorProto.FLOAT}
    return [helper.make_tensor_value_info(name, kind, ["ngrams"]) for name, kind in types.items()]


def _outputs(classes: int) -> list[onnx.ValueInfoProto]:
    return [_value("probabilities", [1, classes]), _value("unfamiliarity", [1])]


def _value(name: str, shape: list[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _text_nodes() -> list[onnx.NodeProto]:
    """The steps of `text.tf_idf` and `Head.logits` for one text, then its familiarity."""
    steps = [
        ("Gather", ["frequencies", "columns"], "frequency"),  # (K,)
        ("Log", ["counts"], "log_counts"),
        ("Add", ["log_counts", "one"], "damped_counts"),
        ("Mul", ["damped_counts", "frequency"], "weighted"),
        ("ReduceL2", ["weighted"], "length"),  # (1,)
        ("Max", ["length", "least"], "safe_length"),
        ("Div", ["weighted", "safe_length"], "features"),
        ("Unsqueeze", ["features", "first"], "row"),  # (1, K)
        ("Gather", ["weights", "columns"], "rows"),  # (K, C)
        ("MatMul", ["row", "rows"], "products"),
        ("Add", ["products", "bias"], "logits"),
        ("Mul", ["logits", "pooling"], "pooled"),
        ("Softmax", ["pooled"], "probabilities"),
        ("Unsqueeze", ["features", "last"], "column"),  # (K, 1)
        ("Mul", ["column", "rows"], "weighed"),
        ("Mul", ["weighed", "pooling"], "evidence"),  # (K, C)
        ("Sub", ["greatest", "frequency"], "familiarity"),
        ("ReduceSum", ["familiarity"], "familiarities"),  # (1,)
        ("Shape", ["columns"], "shape"),  # (1,)
        ("Cast", ["shape"], "ngrams"),
        ("Max", ["ngrams", "one"], "at_least_one"),
        ("Mul", ["at_least_one", "greatest"], "most"),
        ("Div", ["familiarities", "most"], "familiar_share"),
        ("Sub", ["one", "familiar_share"], "unfamiliarity"),
    ]
    return _made(steps)


def _fusion_nodes() -> list[onnx.NodeProto]:
    steps = list[tuple[str, list[str], str]]()
    for name in ("image", "text"):
        steps += [
            ("Max", [f"probabilities_{name}", "least"], f"safe_{name}"),
            ("Log", [f"safe_{name}"], f"logits_{name}"),
            ("Mul", [f"logits_{name}", f"weight_{name}"], f"said_{name}"),
            ("Div", [f"unfamiliarity_{name}", f"limit_{name}"], f"beyond_{name}"),
        ]
    steps += [
        ("Add", ["said_image", "said_text"], "pooled"),
        ("Softmax", ["pooled"], "probabilities"),
        ("Max", ["beyond_image", "beyond_text"], "unfamiliarity"),
    ]
    return _made(steps)


def _made(steps: list[tuple[str, list[str], str]]) -> list[onnx.NodeProto]:
    more: dict[str, dict[str, Any]] = {"Softmax": {"axis": 1}, "Cast": {"to": TensorProto.FLOAT}}
    return [helper.make_node(operator, inputs, [output], **more.get(operator, {})) for operator, inputs, output in steps]
