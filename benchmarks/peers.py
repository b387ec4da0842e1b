"""The same model served by FastAPI, as its documentation shows it. Started by benchmarks.serving.

python -m benchmarks.peers onnx|torch PORT
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quire.model.predictor import Predictor, run

MODEL = Path("model")
Probabilities = Callable[[bytes], NDArray[np.float32]]


def onnx_classifier() -> Probabilities:
    predictor = Predictor(MODEL)
    return lambda data: predictor.run(predictor.prepare(data)[None]).probabilities[0]


def torch_classifier() -> Probabilities:
    """The same frozen encoder in PyTorch; what follows it, a thousandth of the work, in the model's own graph."""
    import torch

    from quire.command import read_parameters
    from quire.training.encoders import ImageEncoder

    predictor, parameters = Predictor(MODEL), read_parameters("train")
    encoder = ImageEncoder(parameters["backbone"], parameters["image_size"]).eval()

    def probabilities(data: bytes) -> NDArray[np.float32]:
        with torch.inference_mode():
            features, classes, _ = encoder(torch.from_numpy(predictor.prepare(data)[None].copy()))
        given = {"features": features.numpy(), "class_probabilities": classes.numpy()}
        (found,) = run(predictor.head, ("probabilities",), **given)
        return np.asarray(found[0])

    return probabilities


ENGINES: dict[str, Callable[[], Probabilities]] = {"onnx": onnx_classifier, "torch": torch_classifier}


def fastapi_app(probabilities: Probabilities) -> Any:
    from fastapi import FastAPI, Request
    from starlette.concurrency import run_in_threadpool

    app = FastAPI()

    async def classify(request: Request) -> dict[str, Any]:
        return {"probabilities": (await run_in_threadpool(probabilities, await request.body())).tolist()}

    app.post("/v1/classify")(classify)
    return app


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(fastapi_app(ENGINES[sys.argv[1]]()), port=int(sys.argv[2]), log_level="warning", access_log=False)
