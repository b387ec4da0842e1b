"""Draw why an image gets its answer: the places that speak for it, and the training images most like it."""

import glob
from pathlib import Path

from quire.command import BadInput
from quire.decode import UndecodableImage, decode
from quire.items.tables import read_texts
from quire.model.evidence import evidence_of
from quire.model.explain import Explainer
from quire.model.predictor import Answer, Predictor
from quire.report.figures import draw_explanation


def explain(asked: str, images: Path, texts: Path, model: Path, folder: Path) -> None:
    """Write an image into `folder` and say the same in words. `asked` is a file, or the key of an item in `images` or `texts`.

    Raises BadInput for what is neither, and for an image or a model that cannot be read.
    """
    text = read_texts(texts).get(asked) if texts.is_file() else None
    file = _file_of(asked, images) if text else find(asked, images)
    predictor = Predictor(model)
    if text and "text" in predictor.modalities:
        _tell_words(predictor, text)
    if file and "image" in predictor.modalities:
        _explain_image(file, asked, images, predictor, folder)


def _tell_words(predictor: Predictor, text: str) -> None:
    """The answer of the text alone, and the n-grams that speak for it and against it."""
    answer = predictor.classify_content(None, text)
    print(f"explain: by its text {in_words(answer)}")
    for side, words in zip(("for", "against"), evidence_of(predictor, text, answer), strict=True):
        for word in words:
            print(f"explain: {word.weight:+.2f} {side} {answer.prediction}: {word.ngram}")


def _explain_image(file: Path, asked: str, images: Path, predictor: Predictor, folder: Path) -> None:
    explainer, content = Explainer(predictor, neighbours=True), file.read_bytes()
    try:
        answer, square = predictor.classify(content), predictor.prepare(content)  # (S, S, 3) uint8
    except UndecodableImage as error:
        raise BadInput(f"{file}: {error}") from error
    neighbours = explainer.nearest(square, file.stem if Path(asked).is_file() else asked)
    shown = [(each.caption, decode(find(each.key, images).read_bytes())) for each in neighbours]
    path = folder / f"{file.stem}.png"
    draw_explanation(in_words(answer), decode(content), explainer.activation_map(square, answer.prediction), shown, path)
    print(f"explain: {in_words(answer)}")
    for each in neighbours:
        print(f"explain: {each.similarity:.2f} {each.caption}")
    print(f"explain: {path}")


def find(asked: str, images: Path) -> Path:
    """A file, or the one in `images` that bears the key: an image file's own name, or one that an extension follows.

    Raises BadInput.
    """
    found = _file_of(asked, images)
    if found is None:
        raise BadInput(f"{asked!r} is neither a file nor the key of one in {images}")
    return found


def _file_of(asked: str, images: Path) -> Path | None:
    found = [Path(asked), images / asked, *sorted(images.glob(f"{glob.escape(asked)}.*"))]
    return next((path for path in found if path.is_file()), None)


def in_words(answer: Answer) -> str:
    """The answer as a line."""
    why = f", {(answer.reason or '').replace('_', ' ')}" if answer.reason else ""
    return f"{answer.prediction} {answer.confidence:.3f}, decision {answer.decision}{why}"
