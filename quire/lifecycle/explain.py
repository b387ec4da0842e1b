"""Draw why an image gets its answer: the places that speak for it, and the training images most like it."""

import glob
from pathlib import Path

from quire.command import BadInput
from quire.decode import UndecodableImage, decode
from quire.model.explain import PLACES, REFERENCES, Explainer
from quire.model.predictor import Answer, Predictor
from quire.provenance.results import MODEL
from quire.report.figures import draw_explanation


def explain(asked: str, images: Path, model: Path, folder: Path) -> None:
    """Write an image into `folder` and say the same in words. `asked` is a file, or the key of one in `images`.

    Raises BadInput for what is neither, and for an image or a model that cannot be read.
    """
    file = find(asked, images)
    try:
        predictor = Predictor(model / Path(MODEL).name)
        explainer = Explainer(predictor, model / PLACES, model / REFERENCES)
        square = predictor.prepare(file.read_bytes())  # (S, S, 3) uint8
        answer = predictor.classify(file.read_bytes())
    except UndecodableImage as error:
        raise BadInput(f"{file}: {error}") from error
    neighbours = explainer.nearest(square, file.stem)
    shown = [(each.caption, decode(find(each.key, images).read_bytes())) for each in neighbours]
    path = folder / f"{file.stem}.png"
    places = explainer.places(square, answer.prediction)
    if places is None:
        raise BadInput(f"{model / PLACES}: no such file; `dvc repro` or `dvc pull` brings it")
    draw_explanation(in_words(answer), decode(file.read_bytes()), places, shown, path)
    print(f"explain: {in_words(answer)}")
    for each in neighbours:
        print(f"explain: {each.similarity:.2f} {each.caption}")
    print(f"explain: {path}")


def find(asked: str, images: Path) -> Path:
    """A file, or the one in `images` that bears the key. Raises BadInput."""
    if Path(asked).is_file():
        return Path(asked)
    found = sorted(images.glob(f"{glob.escape(asked)}.*"))
    if not found:
        raise BadInput(f"{asked!r} is neither a file nor the key of one in {images}")
    return found[0]


def in_words(answer: Answer) -> str:
    """The answer as a line."""
    why = f", {(answer.reason or '').replace('_', ' ')}" if answer.reason else ""
    return f"{answer.prediction} {answer.confidence:.3f}, decision {answer.decision}{why}"
