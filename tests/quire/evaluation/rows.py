"""Predictions to judge, made by hand."""

import numpy as np

from quire.evaluation.predictions import Predictions


def predictions(
    confidences: list[float], correct: list[bool], answered: list[bool] | None = None, documents: list[int] | None = None
) -> Predictions:
    """Of two classes, all predicted as class 0, in documents of two images. The label is class 0 where it is right, else 1."""
    shares, right = np.array(confidences), np.array(correct)
    given = np.where(right, shares, 1 - shares)
    return Predictions(
        keys=np.array([f"image-{number:02}" for number in range(len(correct))]),
        documents=np.array(documents or np.arange(len(correct)) // 2),
        targets=np.where(right, 0, 1),
        predicted=np.zeros(len(correct), np.int64),
        confidence=shares,
        given=given,
        squared_error=2 * (1 - given) ** 2,
        answered=np.array(answered or [True] * len(correct)),
    )
