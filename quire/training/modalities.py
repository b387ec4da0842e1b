"""What a model reads: images, texts, or both. Each set of modalities has its answers out of fold and its part of the manifest."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from quire.command import BadInput
from quire.model.manifest import Manifest, Modalities, Modality
from quire.training.dataset import Dataset
from quire.training.heads import Floats
from quire.training.selective import Selective
from quire.training.text import count_keys
from quire.training.text_expert import HeldOutText, TextSettings
from quire.training.text_model import Images, Texts, with_both, with_text

MODALITIES: tuple[Modality, ...] = ("image", "text")


@dataclass(frozen=True)
class Answered:
    """What a set of modalities says, out of fold, of the items that have at least these."""

    rows: NDArray[np.int64]  # (M,), the items' numbers
    logits: Floats  # (M, C), pooled
    unfamiliarity: Floats  # (M,)

    @property
    def probabilities(self) -> Floats:
        """(M, C)."""
        return np.asarray(softmax(self.logits, axis=1))


Answers = dict[Modalities, Answered]  # in the order image, text, image+text: an item's own answer is the last that knows it


def read_modalities(data: Dataset) -> list[Modality]:
    """What the model is to read: a modality that some items of both sets, of two folds and of two labels have.

    Says what is left aside. Raises BadInput where nothing is left.
    """
    found = list[Modality]()
    for modality in MODALITIES:
        own = data.of(data.has(modality))
        enough = all(len(np.unique(each)) > 1 for each in (own.sets, own.fold_of, own.targets))
        if enough:
            found.append(modality)
        elif len(own.items):
            print(f"train: {len(own.items)} items with {modality} are too few to learn from: the model reads none")
    if not found:
        raise BadInput(f"{len(data.items)} labelled items: too few of them have an image, and too few a text")
    return found


def with_texts(
    folder: Path, manifest: Manifest, data: Dataset, texts: Path, image: Answered | None,
    settings: TextSettings, selective: Selective,
) -> tuple[Manifest, Answers]:  # fmt: skip
    """The manifest with the text's expert, and where it has an image's, with both pooled; and the answers of each set.

    `texts` is the table of all texts, which is read row by row.
    """
    rows = np.flatnonzero(data.has("text"))
    own = data.of(data.has("text"))
    counts = count_keys(texts, own.keys, settings.analyser)
    known = Texts(counts, own.targets, own.fold_of, own.documents)
    manifest, alone = with_text(folder, manifest, known, settings, selective)
    answers: Answers = {"text": _answered(rows, alone)}
    if image is not None:
        chosen, places = np.isin(rows, image.rows), np.isin(image.rows, rows)
        images = Images(chosen, image.logits[places], image.unfamiliarity[places])
        if len(np.unique(own.fold_of[chosen])) > 1:
            manifest, both = with_both(folder, manifest, known, alone, images, selective)
            answers["image+text"] = _answered(rows[chosen], both)
        else:
            print("train: too few items have both image and text to weigh one against the other: such an item is refused")
    return manifest, answers


def _answered(rows: NDArray[np.int64], held_out: HeldOutText) -> Answered:
    return Answered(rows, held_out.logits, held_out.unfamiliarity)
