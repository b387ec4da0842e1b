from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from quire.model.analyser import Analyser
from quire.model.predictor import load_session, run
from quire.training.heads import GRID, Head
from quire.training.text import count, inverse_document_frequencies, tf_idf
from quire.training.text_export import export_fusion, export_text

ANALYSER = Analyser(replacements={}, words=2, characters=(2, 5), bits=12)
SEEN = ["bon produit", "très bon, très rapide", "mauvais", "produit mauvais et lent"]
ASKED = [*SEEN, "a", "", "unknown words altogether", "不推荐 👎" * 300]
OUTPUTS = ("probabilities", "unfamiliarity")


def made_up(classes: int, bits: int = 12) -> Head:
    draws = np.random.default_rng(0)
    weight, bias = draws.normal(size=(classes, 1 << bits)), draws.normal(size=classes)
    return Head(np.round(weight * GRID) / GRID, np.round(bias * GRID) / GRID)


def test_the_graph_says_of_every_text_what_was_fitted(tmp_path: Path) -> None:
    head, frequencies = made_up(3), inverse_document_frequencies(count(SEEN, ANALYSER))
    session = load_session(export_text(head, frequencies, 1.5, tmp_path / "text.onnx"))
    expected = head.logits(tf_idf(count(ASKED, ANALYSER), frequencies))
    for text, row in zip(ASKED, expected, strict=True):
        counts = ANALYSER.counts(text)
        probabilities, unfamiliarity = run(session, OUTPUTS, columns=counts.columns, counts=counts.counts)
        assert probabilities[0] == pytest.approx(softmax(1.5 * row), abs=1e-6)
        seen = frequencies[counts.columns].mean() / frequencies.max() if len(counts.columns) else 1
        assert unfamiliarity.tolist() == pytest.approx([seen], abs=1e-6)


def test_it_is_the_same_bytes_and_bounded_at_27_classes(tmp_path: Path) -> None:
    head, frequencies = made_up(27, 16), np.ones(1 << 16)
    one, two = (export_text(head, frequencies, 1, tmp_path / name).read_bytes() for name in ("a.onnx", "b.onnx"))
    assert one == two
    assert len(one) <= 10e6


def test_the_fusion_is_a_product_of_powers_and_the_less_familiar_of_the_two(tmp_path: Path) -> None:
    session = load_session(export_fusion(np.array([0.5, 2]), np.array([0.4, 0.8]), 3, tmp_path / "fusion.onnx"))
    image, text = np.array([[0.5, 0.3, 0.2]], np.float32), np.array([[0.2, 0.8, 0]], np.float32)
    said = {"probabilities_image": image, "probabilities_text": text}
    for unfamiliar, expected in (([0.2, 0.6], 0.75), ([0.5, 0.6], 1.25)):
        found = {
            f"unfamiliarity_{name}": np.array([one], np.float32) for name, one in zip(("image", "text"), unfamiliar, strict=True)
        }
        probabilities, unfamiliarity = run(session, OUTPUTS, **said, **found)
        assert unfamiliarity.tolist() == pytest.approx([expected])
    product = image**0.5 * text**2
    assert probabilities == pytest.approx(product / product.sum(), abs=1e-6)
