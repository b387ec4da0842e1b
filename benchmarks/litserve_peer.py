"""The same model served by LitServe, as its documentation shows it. Started by benchmarks.serving.

python -m benchmarks.litserve_peer onnx|torch WORKERS PORT
"""

import sys
from typing import Any

import litserve
import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from benchmarks.peers import ENGINES


class Api(litserve.LitAPI):  # type: ignore[misc]
    """LitServe's four steps; the first reads the raw body."""

    engine = "onnx"

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe hands it over
        """Load the model in a worker."""
        self.probabilities = ENGINES[self.engine]()

    def decode_request(self, request: Request) -> bytes:
        """The encoded image; LitServe hands over a form or JSON, never a raw body."""
        content: bytes = request["image"].file.read()
        return content

    def predict(self, data: bytes) -> NDArray[np.float32]:
        """(C,) float32."""
        return self.probabilities(data)

    def encode_response(self, probabilities: NDArray[np.float32]) -> dict[str, Any]:
        """As JSON."""
        return {"probabilities": probabilities.tolist()}


if __name__ == "__main__":
    api = Api(api_path="/v1/classify")
    api.engine = sys.argv[1]
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(sys.argv[2]))
    server.run(port=int(sys.argv[3]), host="127.0.0.1", generate_client_file=False, log_level="warning")
