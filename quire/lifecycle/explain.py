"""Draw why an image gets its answer: the places that speak for it, and the training images most like it."""

import glob
from pathlib import Path

from quire.command import BadInput
from quire.decode import UndecodableImage, decode
from quire.model.explain import Explainer
from quire.model.predictor import Answer, Predictor
from quire.report.figures import draw_explanation


def explain(asked: str, images: Path, model: Path, folder: Path) -> None:
    """Write an image into `folder` and say the same in words. `asked` is a file, or the key of one in `images`.

    Raises BadInput for what is neither, and for an image or a model that cannot be read.
    """
    file, explainer = find(asked, images), Explainer(Predictor(model), neighbours=True)
    content, predictor = file.read_bytes(), explainer.predictor
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
    found = [Path(asked), images / asked, *sorted(images.glob(f"{glob.escape(asked)}.*"))]
    for path in found:
        if path.is_file():
            return path
    raise BadInput(f"{asked!r} is neither a file nor the key of one in {images}")


def in_words(answer: Answer) -> str:
    """The answer as a line."""
    why = f", {(answer.reason or '').replace('_', ' ')}" if answer.reason else ""
    return f"{answer.prediction} {answer.confidence:.3f}, decision {answer.decision}{why}"
