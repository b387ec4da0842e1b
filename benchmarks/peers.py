"""What others serve the same model with, as their own documentation shows it. Started by benchmarks.serving.

python -m benchmarks.peers fastapi|litserve onnx|torch PORT
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.predictor import Predictor

MODEL = Path("model/model.onnx")
Probabilities = Callable[[bytes], NDArray[np.float32]]


def onnx_classifier() -> Probabilities:
    predictor = Predictor(MODEL)
    return lambda data: predictor.probabilities(predictor.prepare(data)[None])[0]


def torch_classifier() -> Probabilities:
    """The same weights in PyTorch: the frozen backbone's, and the head's out of the model file."""
    import onnx
    import torch

    from stages.command import read_parameters
    from stages.network import Backbone, Classifier, Network, zero_head

    predictor, parameters = Predictor(MODEL), read_parameters("train")
    head = zero_head(len(predictor.labels))
    stored = {each.name: onnx.numpy_helper.to_array(each).copy() for each in onnx.load(MODEL).graph.initializer}
    for name in ("weight", "bias"):
        getattr(head, name).data = torch.from_numpy(stored[f"network.head.{name}"])
    network = Network(Backbone(parameters["backbone"], parameters["image_size"]), head)
    classifier = Classifier(network, predictor.decision["temperature"]).eval()
    torch.set_num_threads(1)

    def probabilities(data: bytes) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(classifier(torch.from_numpy(predictor.prepare(data)[None].copy()))[0].numpy())

    return probabilities


ENGINES: dict[str, Callable[[], Probabilities]] = {"onnx": onnx_classifier, "torch": torch_classifier}


def serve_fastapi(engine: str, port: int) -> None:
    import uvicorn
    from fastapi import FastAPI, Request
    from starlette.concurrency import run_in_threadpool

    app, probabilities = FastAPI(), ENGINES[engine]()

    async def classify(request: Request) -> dict[str, Any]:
        return {"probabilities": (await run_in_threadpool(probabilities, await request.body())).tolist()}

    app.post("/v1/classify")(classify)
    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def serve_litserve(engine: str, port: int) -> None:
    import litserve
    from fastapi import Request

    class Api(litserve.LitAPI):  # type: ignore[misc]
        def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe hands it over
            self.probabilities = ENGINES[engine]()

        async def decode_request(self, request: Request) -> bytes:
            return await request.body()

        def predict(self, data: bytes) -> NDArray[np.float32]:
            return self.probabilities(data)

        def encode_response(self, probabilities: NDArray[np.float32]) -> dict[str, Any]:
            return {"probabilities": probabilities.tolist()}

    server = litserve.LitServer(Api(api_path="/v1/classify"), accelerator="cpu", workers_per_device=2)
    server.run(port=port, host="127.0.0.1", generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    {"fastapi": serve_fastapi, "litserve": serve_litserve}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
