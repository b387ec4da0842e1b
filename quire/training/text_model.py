"""The text's part of the model folder: a model of texts alone, or a text expert beside an image model's."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import softmax

from quire.model.manifest import FUSION, TEXT_ANSWER, Expert, Inputs, Manifest, Pooling, TextInput, Thresholds, hash_part
from quire.training.heads import Floats
from quire.training.proportions import Documents
from quire.training.selective import Selective
from quire.training.text_expert import HeldOutText, TextSettings, fit_text, out_of_fold_both, out_of_fold_text
from quire.training.text_export import export_fusion, export_text

ANSWERS = "the head on the text's hashed n-grams, by tf-idf"
NONE = np.finfo(np.float32).tiny  # a threshold of 0 divides nothing


@dataclass(frozen=True)
class Texts:
    """N items with a text: counts (N, V), targets, folds and documents (N,)."""

    counts: csr_array
    targets: NDArray[np.int64]
    fold_of: NDArray[np.int64]
    documents: Documents


@dataclass(frozen=True)
class Images:
    """What the image's experts say out of fold of those of the texts' items that have an image too."""

    chosen: NDArray[np.bool_]  # (N,), which of the texts' items
    logits: Floats  # (M, C), pooled
    unfamiliarity: Floats  # (M,)


def bare(labels: list[str], lineage: dict[str, str]) -> Manifest:
    """A manifest without inputs, to which the text's are added."""
    return Manifest.model_construct(labels=labels, inputs={}, experts={}, pooling={}, lineage=lineage, parts={})


def with_text(
    folder: Path, manifest: Manifest, texts: Texts, settings: TextSettings, selective: Selective
) -> tuple[Manifest, HeldOutText]:
    """The manifest with the text expert, whose graph is written, and what it says out of fold."""
    classes = len(manifest.labels)
    held_out = out_of_fold_text(texts.counts, texts.targets, texts.fold_of, classes, settings.ridge)
    expert = fit_text(texts.counts, texts.targets, classes, settings.ridge)
    weight = float(held_out.weights[0])
    graph = export_text(expert.head, expert.frequencies, weight, folder / TEXT_ANSWER)
    inputs: Inputs = {**manifest.inputs, "text": TextInput(analyser=settings.analyser)}
    thresholds = _thresholds(selective, held_out, texts.targets, texts.documents)
    pooling = Pooling(graph=TEXT_ANSWER, weights={"text": weight}, damping=None, thresholds=thresholds)
    update = {
        "inputs": inputs,
        "experts": manifest.experts | {"text": Expert(modality="text", answers=ANSWERS)},
        "pooling": manifest.pooling | {"text": pooling},
        "parts": manifest.parts | {TEXT_ANSWER: hash_part(graph)},
    }
    return manifest.model_copy(update=update), held_out


def with_both(
    folder: Path, manifest: Manifest, texts: Texts, alone: HeldOutText, images: Images, selective: Selective
) -> tuple[Manifest, HeldOutText]:
    """The manifest of an image model with a text expert, with their fusion; and what both say out of fold of items that have both.

    Weights and thresholds of each set of modalities come from all items that have at least these, the others withheld.
    """
    limits = np.array([max(manifest.pooling[name].thresholds.max_unfamiliarity, NONE) for name in ("image", "text")])
    said, chosen = np.column_stack([images.unfamiliarity, alone.unfamiliarity[images.chosen]]), images.chosen
    beyond = np.asarray((said / limits).max(1))  # (M,)
    targets, fold_of = texts.targets[chosen], texts.fold_of[chosen]
    both = out_of_fold_both(images.logits, alone.logits[chosen], beyond, targets, fold_of)
    graph = export_fusion(both.weights, limits, len(manifest.labels), folder / FUSION)
    weights = dict(manifest.pooling["image"].weights)
    weights = {name: round(weight * both.weights[0], 6) for name, weight in weights.items()}
    weights["text"] = round(manifest.pooling["text"].weights["text"] * both.weights[1], 6)
    thresholds = _thresholds(selective, both, targets, texts.documents[chosen])
    pooling = Pooling(graph=FUSION, weights=weights, damping=manifest.pooling["image"].damping, thresholds=thresholds)
    update = {"pooling": manifest.pooling | {"image+text": pooling}, "parts": manifest.parts | {FUSION: hash_part(graph)}}
    return manifest.model_copy(update=update), both


def _thresholds(selective: Selective, held_out: HeldOutText, targets: NDArray[np.int64], documents: Documents) -> Thresholds:
    return selective.thresholds(softmax(held_out.logits, axis=1), held_out.unfamiliarity, targets, documents)
