"""The same model served by FastAPI, as its documentation shows it. Started by benchmarks.serving.

python -m benchmarks.peers onnx|torch PORT
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quire.model.predictor import Predictor

MODEL = Path("model/model.onnx")
Probabilities = Callable[[bytes], NDArray[np.float32]]


def onnx_classifier() -> Probabilities:
    predictor = Predictor(MODEL)
    return lambda data: predictor.run(predictor.prepare(data)[None]).probabilities[0]


def torch_classifier() -> Probabilities:
    """The same weights in PyTorch: the frozen backbone's, and the head's out of the model file."""
    import onnx
    import torch

    from quire.command import read_parameters
    from quire.training.damping import Reach
    from quire.training.encoders import Backbone, Classifier, Encoder, Head, Network
    from quire.training.familiarity import Nearest
    from quire.training.zero_shot import prior_of, rest_of

    predictor, parameters = Predictor(MODEL), read_parameters("train")
    backbone = Backbone(parameters["backbone"], parameters["image_size"])
    groups = parameters["prior"]["groups"]
    prior = prior_of(backbone.classifier, groups, predictor.labels)
    head = Head(len(predictor.labels), prior)
    stored = {each.name: onnx.numpy_helper.to_array(each).copy() for each in onnx.load(MODEL).graph.initializer}
    for name in ("weight", "bias"):
        getattr(head.linear, name).data = torch.from_numpy(stored[f"network.head.linear.{name}"])
    if prior is not None:
        head.weights.copy_(torch.tensor(predictor.decision["prior_weights"]))
    rest, decision, references = rest_of(groups, predictor.labels), predictor.decision, np.load(MODEL.with_name("references.npz"))
    targets = torch.tensor([predictor.labels.index(label) for label in references["labels"]])
    nearest = Nearest(torch.from_numpy(references["features"]), targets, len(predictor.labels), rest)
    reach = Reach(rest, **decision["reach"] or {"limit": 0, "scale": 1, "share": 0})
    classifier = Classifier(Network(Encoder(backbone, prior), head), decision["temperature"], nearest, reach).eval()

    def probabilities(data: bytes) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(classifier(torch.from_numpy(predictor.prepare(data)[None].copy()))[0][0].numpy())

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


if __name__ == "__main__":
    serve_fastapi(sys.argv[1], int(sys.argv[2]))
