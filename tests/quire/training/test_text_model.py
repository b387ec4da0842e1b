"""A text expert alone, and beside an image model that knows colours."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from quire.model.analyser import Analyser
from quire.model.manifest import FUSION, InvalidModel, read_manifest, write_manifest
from quire.model.predictor import Predictor
from quire.training.selective import Selective
from quire.training.sparse_head import solve_sparse
from quire.training.text import count, inverse_document_frequencies, tf_idf
from quire.training.text_expert import TextSettings, fit_text, out_of_fold_text
from quire.training.text_model import Images, Texts, bare, with_both, with_text
from tests.quire.model.test_predictor import LABELS, write_model

SETTINGS = TextSettings(analyser=Analyser(replacements={"greffier": "chat"}, words=2, characters=(2, 5), bits=12), ridge=0.1)
SELECTIVE = Selective(max_risk=0.05, confidence=0.9, max_error_probability=0.5, in_distribution_quantile=0.99)
WORDS = [["chat", "miaule", "ronronne"], ["chien", "aboie", "niche"], ["table", "chaise", "lampe"]]
SIZE = 120


def made_up() -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Sentences of three words of their label and two of any."""
    draws = np.random.default_rng(0)
    targets = np.arange(SIZE) % 3
    every = [word for words in WORDS for word in words]
    texts = [" ".join([*draws.choice(WORDS[target], 3), *draws.choice(every, 2)]) for target in targets]
    return texts, targets


@pytest.fixture(scope="module")
def texts() -> Texts:
    said, targets = made_up()
    return Texts(count(said, SETTINGS.analyser), targets, np.arange(SIZE) // 3 % 6, np.arange(SIZE))


def write_texts(folder: Path, texts: Texts) -> Path:
    """A model of texts alone."""
    write_manifest(folder, with_text(folder, bare(LABELS, {"texts": "0" * 64}), texts, SETTINGS, SELECTIVE)[0])
    return folder


def write_both(folder: Path, texts: Texts, images: Images) -> Path:
    """The colours' model with text."""
    manifest, alone = with_text(folder, read_manifest(folder)[0], texts, SETTINGS, SELECTIVE)
    write_manifest(folder, with_both(folder, manifest, texts, alone, images, SELECTIVE)[0])
    return folder


def test_an_item_is_predicted_by_a_head_that_never_saw_its_fold(texts: Texts) -> None:
    """How common an n-gram is, is counted over all folds, for features; how unfamiliar a text is, over the others."""
    held_out = out_of_fold_text(texts.counts, texts.targets, texts.fold_of, 3, 0.1)
    seen, out = texts.fold_of != 0, texts.fold_of == 0
    features = tf_idf(texts.counts, inverse_document_frequencies(texts.counts))
    (head,) = solve_sparse(features, texts.targets, seen[:, None], 3, 0.1, 1)
    expert = fit_text(texts.counts[seen], texts.targets[seen], 3, 0.1)
    expected = head.logits(features[out])
    scale = held_out.logits[out] / expected  # a weight of the fold's own
    assert scale == pytest.approx(np.full_like(scale, scale[0, 0]))
    assert held_out.unfamiliarity[out] == pytest.approx(expert.unfamiliarity(texts.counts[out]))
    assert (held_out.logits.argmax(1) == texts.targets).mean() > 0.9


def test_a_model_of_texts_alone_answers_as_it_was_fitted(tmp_path: Path, texts: Texts) -> None:
    predictor = Predictor(write_texts(tmp_path, texts))
    assert predictor.modalities == ("text",)
    expert = fit_text(texts.counts, texts.targets, 3, SETTINGS.ridge)
    weight = predictor.manifest.pooling["text"].weights["text"]
    for text in ["chat ronronne", "<b>CHAT</b> ronronne", "greffier", "aboie", ""]:
        expected = softmax(weight * expert.logits(count([text], SETTINGS.analyser)))[0]
        answer = predictor.classify_item(None, text or " ")
        assert list(answer.probabilities.values()) == pytest.approx(expected, abs=1e-6)
    assert predictor.classify_item(None, "chat miaule").decision == "cat"
    assert predictor.classify_item(None, "greffier").prediction == "cat"
    unknown = predictor.classify_item(None, "不推荐这个网站 zzz")
    assert unknown.decision == "unsure"
    assert unknown.unfamiliarity == pytest.approx(1, abs=0.05)
    with pytest.raises(ValueError, match="the model reads text, and neither is there"):
        predictor.classify_item(np.zeros((8, 8, 3), np.uint8), None)


@pytest.fixture
def both(tmp_path: Path, texts: Texts) -> Predictor:
    """The colours' model with text; out of fold the image is right of all but a tenth, half of the items have one."""
    folder = write_model(tmp_path / "model")
    chosen = np.arange(SIZE) % 2 == 0
    right = np.where(np.arange(chosen.sum()) % 10 == 0, (texts.targets[chosen] + 1) % 3, texts.targets[chosen])
    images = Images(chosen, 2 * np.eye(3)[right], np.full(chosen.sum(), 0.1))
    return Predictor(write_both(folder, texts, images))


def test_each_set_of_modalities_has_its_weights_and_the_image_answers_as_before(both: Predictor) -> None:
    assert set(both.manifest.pooling) == {"image", "text", "image+text"}
    weights = both.manifest.pooling["image+text"].weights
    assert set(weights) == {"image", "text"}
    assert min(weights.values()) > 0
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 30
    assert both.classify_item(red, "") == both.classify_item(red, None)
    assert both.classify_item(red, None).experts == {"image": 1.0}
    assert both.classify_item(None, "chien").experts == {"text": 1.0}


def test_both_together_are_the_experts_pooled_by_the_weights_that_are_written(both: Predictor) -> None:
    grey = np.full((8, 8, 3), 20, np.uint8)
    grey[..., 1] = 40
    image, text = both.run(grey[None]).probabilities, both.run_text("chien aboie chat").probabilities
    weights = both.manifest.pooling["image+text"].weights
    scale = weights["text"] / both.manifest.pooling["text"].weights["text"]
    expected = softmax(weights["image"] * log_softmax(np.log(image)) + scale * np.log(text))[0]
    answer = both.classify_item(grey, "chien aboie chat")
    assert list(answer.probabilities.values()) == pytest.approx(expected, rel=1e-3, abs=0)
    second, first = np.argsort(expected)[-2:]
    odds = [weights["image"] * np.log(image[0, first] / image[0, second]), scale * np.log(text[0, first] / text[0, second])]
    assert answer.experts == pytest.approx({"image": odds[0] / sum(odds), "text": odds[1] / sum(odds)}, abs=1e-4)


def test_what_is_unfamiliar_in_one_of_the_two_is_so_together(both: Predictor) -> None:
    green = np.zeros((8, 8, 3), np.uint8)
    green[..., 1] = 255  # 0.85 of 0.9
    known, unknown = both.classify_item(green, "chien aboie"), both.classify_item(green, "不推荐这个网站")
    assert known.unfamiliarity == pytest.approx(0.85 / 0.9, abs=1e-6)
    assert unknown.unfamiliarity > 1


def test_inputs_without_their_pooling_are_refused(both: Predictor) -> None:
    pooling = {name: part for name, part in both.manifest.pooling.items() if name != "image+text"}
    write_manifest(both.folder, both.manifest.model_copy(update={"pooling": pooling}))
    with pytest.raises(InvalidModel, match=r"has inputs image, text, and no pooling for image\+text"):
        Predictor(both.folder)
    assert (both.folder / FUSION).exists()
