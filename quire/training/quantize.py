"""An encoder in 8 bits: static quantisation by ONNX Runtime, activations uint8, weights int8 for each channel (QDQ).

Integer sums have no last digit, so every machine gives the same bits, and processors that multiply bytes (VNNI) are twice as fast.
"""

import math
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.calibrate import TensorData, TensorsData, create_calibrator, save_tensors_data
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

CALIBRATED = 64  # images, at most, whose activations say how far each tensor reaches
OPERATORS = ["Add", "Clip", "Conv"]  # up to the feature map: the classifier's logits would lose more by it than they would gain


class _Squares(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, squares: Iterator[NDArray[np.uint8]]) -> None:
        self.squares = squares

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        square = next(self.squares, None)
        return None if square is None else {"images": square[None]}


def quantize(encoder: Path, squares: Iterable[NDArray[np.uint8]], quantized: Path) -> None:
    """Write the encoder in 8 bits, calibrated on the encoder's inputs, (S, S, 3) uint8 each; the same bytes for the same."""
    model = onnx.load(encoder)
    add_pre_process_metadata(model)  # the exporter has folded batch normalisation into the convolutions
    with tempfile.TemporaryDirectory() as folder:
        ranges, written = Path(folder, "ranges.json"), Path(folder, "quantized.onnx")
        calibrator = create_calibrator(encoder, OPERATORS, str(Path(folder, "augmented.onnx")))
        calibrator.collect_data(_Squares(iter(squares)))
        save_tensors_data(_rounded(calibrator.compute_data()), ranges)
        quantize_static(
            model,
            written,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=OPERATORS,
            nodes_to_exclude=_classifier(model),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibration_cache_path=ranges,
        )
        found = onnx.load(written)
    del found.metadata_props[:]
    quantized.write_bytes(found.SerializeToString(deterministic=True))


def _classifier(model: onnx.ModelProto) -> list[str]:
    """The additions that follow a matrix product, by name: the classifier's bias is no sum of two feature maps."""
    products = {node.output[0] for node in model.graph.node if node.op_type == "MatMul"}
    return [node.name for node in model.graph.node if node.op_type == "Add" and products & set(node.input)]


def _rounded(ranges: TensorsData) -> TensorsData:
    """Each range a little wider, on a coarse grid: calibration runs in single precision, whose last digits hang on the machine."""
    parts: dict[str, Any] = {
        name: TensorData(lowest=_outward(found.lowest), highest=_outward(found.highest)) for name, found in ranges.items()
    }
    return TensorsData(ranges.calibration_method, parts)


def _outward(value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Away from zero to the next of sixteen steps of a power of two; what lies on a step, as a bound of 6 does, stays."""
    mantissa, exponent = math.frexp(value.item())  # exact on every machine, as a power is not
    steps = round(mantissa * 16, 5)
    return np.array(math.ldexp(math.copysign(math.ceil(abs(steps)), steps) / 16, exponent), np.float32)
