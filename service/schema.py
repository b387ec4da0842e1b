"""What clients send and read, as pydantic models: answers are built from them, the OpenAPI document is made of them.

Fields may be added; none that is here changes or goes. One that is optional is left out of an answer where it was not asked for.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from quire.model.predictor import Reason

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]*$")]
Count = Annotated[int, Field(ge=0)]
ANSWER_ID = "5f2d5a0c9e6b4a35a1f3f3c1f6d8c7b1"


class Body(BaseModel):
    """What all bodies have in common: the text below a field describes it in the OpenAPI document."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class ModelVersion(Body):
    """Which model answered."""

    version: Sha256
    """The first twelve digits of the model's SHA-256."""
    commit: str
    """The commit that the model belongs to."""
    data: Sha256
    """The first twelve digits of the SHA-256 of the images that the model was trained on."""


class SimilarImage(Body):
    """A training image that is like the image that was sent."""

    key: str
    label: str
    document: str
    page: Count | None
    """Counted from 0; null where the document is an image file."""
    similarity: Annotated[float, Field(ge=-1, le=1)]
    """The cosine between the features of both images."""


class NGram(Body):
    """Words, or characters with dots where the word goes on; and what they add to the prediction's log-odds over the next label."""

    ngram: str
    weight: float


class Words(Body):
    """What in the text speaks for the prediction and against it, the weightiest first."""

    speak_for: list[NGram]
    speak_against: list[NGram]


class Explanation(Body):
    """Why an item got its answer: the first two where it has an image, `words` where it has a text."""

    places: str | None = None
    """The image, dark where it does not speak for the answer, as a data URI."""
    nearest: list[SimilarImage] = []
    """The training images most like it, the nearest first; empty unless the service is configured to name them."""
    words: Words | None = None


class ImageAnswer(Body):
    """What is on an image."""

    prediction: Annotated[str, Field(examples=["cat"])]
    """The label with the highest probability."""
    decision: Annotated[str, Field(examples=["cat"])]
    """The prediction, or `unsure`."""
    reason: Reason | None
    """Why the decision is `unsure`; null where it is not."""
    probabilities: Annotated[dict[str, Annotated[float, Field(ge=0, le=1)]], Field(examples=[{"cat": 0.97, "dog": 0.03}])]
    model: ModelVersion
    id: Annotated[str, Field(examples=[ANSWER_ID])]
    """To be sent with feedback."""
    why: Explanation | None = None
    """Only with `?explain=true`."""
    experts: dict[str, float] | None = None
    """Only of a model that reads images and texts: the share of each in the log-odds of the first label over the second."""


class ErrorDetail(Body):
    """Why there is no answer."""

    code: Annotated[str, Field(examples=["not_an_image"])]
    """For programs: the same reason has the same code."""
    message: Annotated[str, Field(examples=["not a JPEG, PNG, WebP, AVIF, HEIC or GIF image"])]
    """For people."""


class Refusal(Body):
    """What a client reads in place of an answer."""

    error: ErrorDetail


class BatchAnswer(Body):
    """An answer or a refusal for each image, in the order in which they were sent."""

    answers: list[ImageAnswer | Refusal]


class PdfPlace(Body):
    """Where an image stands in a PDF."""

    page: Count
    """Counted from 0."""
    index: Count
    """Of the image on its page, counted from 0."""
    repeat: bool
    """Whether the PDF's last image repeats its first."""


class PdfImageAnswer(PdfPlace, ImageAnswer):
    """What is on an image of a PDF."""

    thumbnail: str | None = None
    """The image made small, as a data URI; only with `?thumbnails=true`."""
    picture: str | None = None
    """The same by its earlier name; only with `?pictures=true`."""


class PdfImageRefusal(PdfPlace, Refusal):
    """Why there is no answer for an image of a PDF."""


class PdfAnswer(Body):
    """An answer or a refusal for each image of each page, in order."""

    images: list[PdfImageAnswer | PdfImageRefusal]


class Feedback(Body):
    """The right label for an answer."""

    id: Annotated[str, Field(examples=[ANSWER_ID])]
    """The answer's."""
    label: Annotated[str, Field(examples=["dog"])]
    """One of the model's labels."""


class Facts(Body):
    """What the present model takes and answers, and when it decides."""

    model: ModelVersion
    labels: list[str]
    inputs: list[Annotated[str, Field(examples=["image"])]]
    min_confidence: Annotated[float, Field(ge=0)]
    """The probability from which on a prediction is a decision, unless the image is unfamiliar."""


class Reloaded(Body):
    """Which model every worker serves now."""

    version: Sha256
    """The first twelve digits of the model's SHA-256."""
    workers: Count
    """How many serve it."""


class EarlierAnswer(Body):
    """As the API before `/v1` answered."""

    prediction: Annotated[str, Field(examples=["Cat"])]
    """The label with the highest probability, its first letter large."""
    values: Annotated[list[float], Field(examples=[[0.97, 0.03]])]
    """The probabilities, in the order of the model's labels."""


class Health(Body):
    """Said where the model answers."""

    status: Literal["OK"] = "OK"
