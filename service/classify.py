"""The routes that classify: one image, several, those of a PDF."""

import base64
import hashlib
import io
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from quire.decode import decode
from service.errors import Refused
from service.inference import Sent
from service.item import sent_item
from service.request import State, allowed, as_json, asks_for, on, received
from service.schema import BatchAnswer, EarlierAnswer, ImageAnswer, PdfAnswer, PdfImageAnswer, PdfImageRefusal, Refusal
from service.store import Origin
from service.telemetry import REJECTED, count, series
from service.upload import is_form, only_file

if TYPE_CHECKING:
    from quire.items.readers.pdf import PageImage

THUMBNAILS = {"thumbnails": "thumbnail", "pictures": "picture"}  # query parameter → field; clients still ask for the earlier name


async def classify(request: Request) -> Response:
    """Say what one item is: an image, the multipart field `image` or the raw body; a text, the field `text` or JSON; or both.

    `?explain=true` adds `why`: the places of the image, or the words of the text, that speak for the answer.
    """
    return as_json(await _one_item(request, "image", explain=asks_for(request, "explain")))


async def upload(request: Request) -> Response:
    """As the earlier API answered: the field `file`, a capitalised prediction, and the probabilities as `values`."""
    answer = await _one_item(request, "file")
    capitalised = answer.prediction[:1].upper() + answer.prediction[1:]
    return as_json(EarlierAnswer(prediction=capitalised, values=list(answer.probabilities.values())))


async def classify_batch(request: Request) -> Response:
    """Say what is on several images, sent as multipart fields `images`; answers in their order, each its own."""
    await allowed(request)
    state: State = request.app.state.quire
    files = (await received(request, "images", state.settings.max_images)).files
    if not files or not is_form(request):
        raise Refused("wrong_field", "the form has no file in the field 'images'")
    with state.inference.slot():
        rows = await state.inference.run([partial(_answer_or_refusal, state, data) for data in files])
    request.state.answers = _decisions(rows)
    return as_json(BatchAnswer(answers=rows))


async def classify_pdf(request: Request) -> Response:
    """Say what is on each image of each page of a PDF, sent as the multipart field `pdf` or as the raw body.

    `?thumbnails=true` adds a small copy of the image to each row.
    """
    await allowed(request)
    state: State = request.app.state.quire
    if state.pdf is None:
        raise Refused("no_pdf_support", "this service was installed without its PDF part; send the images")
    data = only_file(await received(request, "pdf"), "pdf")
    sha256 = await on(state.inference.threads, lambda: hashlib.sha256(data).hexdigest())
    copies = [field for parameter, field in THUMBNAILS.items() if asks_for(request, parameter)]
    with state.inference.slot():
        images = await state.pdf.read(data)
        rows = await state.inference.run([partial(_pdf_row, state, sha256, image, repeat, copies) for image, repeat in images])
    request.state.answers = _decisions(rows)
    return as_json(PdfAnswer(images=rows))


async def _one_item(request: Request, field: str, explain: bool = False) -> ImageAnswer:
    await allowed(request)
    state: State = request.app.state.quire
    sent = await sent_item(request, field)
    with state.inference.slot():
        answer = await on(state.inference.threads, _answer, state, sent, None, explain)
    request.state.answers = [answer.decision]
    return answer


def _answer(state: State, sent: Sent, origin: Origin | None = None, explain: bool = False) -> ImageAnswer:
    """Classify an item, log the answer and count it. Raises Refused."""
    classified = state.inference.classify(sent)
    state.store.log(classified, sent.image, origin)
    count(classified.answer)
    answer = state.inference.render(classified)
    if explain:
        answer.why = state.inference.explain(sent, classified)
    return answer


def _answer_or_refusal(state: State, data: bytes, origin: Origin | None = None) -> ImageAnswer | Refusal:
    try:
        return _answer(state, Sent(data), origin)
    except Refused as refusal:
        series(REJECTED, refusal.code).inc()
        return refusal.body


def _pdf_row(
    state: State, sha256: str, image: "PageImage", repeat: bool, copies: Sequence[str]
) -> PdfImageAnswer | PdfImageRefusal:
    """The answer for one image of the PDF with that SHA-256, with the image made small in the fields that `copies` names."""
    place: dict[str, Any] = {"page": image.page, "index": image.index, "repeat": repeat}
    if image.problem:
        refusal = Refused(image.code, image.problem)
        series(REJECTED, refusal.code).inc()
        return PdfImageRefusal(**place, error=refusal.body.error)
    row = _answer_or_refusal(state, image.data, Origin(sha256, image.page, image.index))
    if isinstance(row, Refusal):
        return PdfImageRefusal(**place, error=row.error)
    thumbnails = dict.fromkeys(copies, _thumbnail(image.data)) if copies else {}
    return PdfImageAnswer.model_validate(place | row.model_dump(exclude_unset=True) | thumbnails)


def _thumbnail(data: bytes) -> str:
    image, buffer = decode(data, size=320), io.BytesIO()
    image.thumbnail((320, 320))
    image.save(buffer, "JPEG")
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _decisions(rows: Sequence[ImageAnswer | Refusal]) -> list[str | None]:
    """For the log of requests: a refusal has none."""
    return [row.decision if isinstance(row, ImageAnswer) else None for row in rows]
