"""The model card, of an evaluation that is made up: every table holds whatever the classes are called and however many they are."""

import re
from typing import Any

import numpy as np
import pytest

from quire.evaluation.details import Details
from quire.evaluation.gate import judge
from quire.evaluation.metrics import describe, outcome, share
from quire.report.card import model_card
from tests.quire.evaluation.rows import predictions
from tests.quire.model.test_predictor import THRESHOLDS

LINEAGE = {"images": "0" * 64}
SHOWN = ("auroc_known", "auroc_unknown", "unfamiliar_strangers", "unfamiliar_known", "unfamiliar_unknown")


def details(labels: list[str], **change: Any) -> Details:
    """Of 40 images of the first two labels, five of them wrong; the challenge set has a kind for each label."""
    found = describe(predictions([0.9] * 40, [number % 8 > 0 for number in range(40)]), labels, seed=0)
    half, each = np.arange(4) < 2, np.arange(4)
    challenge = {"images": 4, **outcome(half, half, each), "reasons": {"low_confidence": 2, "unfamiliar": 0}}
    stays = {"predictions": share(np.arange(4) < 3), "decisions": share(np.arange(4) < 2), "size_baseline": share(np.arange(4) < 1)}
    made: Any = {
        "labels": labels,
        "images": {
            "found": 60, "kept": 50, "repeat": 7, "rejected": 3, "labelled": 40, "sets": {"train": 30, "validation": 5, "test": 5}
        },
        "test": found,
        "cross_validation": found,
        "baselines": {"majority": share(np.arange(40) < 20), "size": share(np.arange(40) < 22)},
        "margin_over_baselines": 0.325,
        "thresholds": THRESHOLDS,
        "pooling": {
            "weights": {"image": 1.0, "which": 0.5, "any": 0.9},
            "damping": {"limit": 0.3, "scale": 0.1, "share_any": 0.92, "share_which": 0.7},
        },
        "challenge": {"all": challenge, "kinds": dict.fromkeys(labels, challenge)},
        "things": "images",
        "text_robustness": None,
        "robustness": {"images": 4, "changes": {"half_size": stays}},
        "protocols": {
            "head_alone": share(np.arange(40) < 30),
            "leave_one_cluster_out": {
                "clusters": 8, "images": 4, "pooled": outcome(half, half, each), "head_alone": outcome(half, ~half, each)
            },
            "few_labels": [{"documents": 5, "images": 20.2, "accuracy": 0.8, "lowest": 0.7, "highest": 0.9}],
            "unfamiliarity_scores": {"distance": dict.fromkeys(SHOWN, 0.9)},
            "precision": {
                "outcomes": {"int8": outcome(half, half, each), "fp32": outcome(half, ~half, each)},
                "both_answer": 20, "differing": share(np.arange(20) < 1),
            },
        },
    }  # fmt: skip
    return made | change  # type: ignore[no-any-return]


def card(found: Details) -> str:
    return model_card(found, judge(found, {"test.accuracy": 0.8, "margin_over_baselines": 0.5}, {}), LINEAGE)


def tables(text: str) -> list[list[str]]:
    return [block.strip().split("\n") for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]


@pytest.mark.parametrize(
    "labels",
    [
        ["cat", "dog"],
        ["a|b", "<b>", "`x`", "**", "[l](http://x)", "label", "key", "items", "two\nlines", "$a$", ""],
        [f"class {number}" for number in range(1000)],
    ],
)
def test_every_row_of_every_table_has_the_columns_of_its_head(labels: list[str]) -> None:
    found = tables(card(details(labels)))
    assert len(found) == 12
    for head, line, *rows in found:
        assert rows
        assert re.fullmatch(r"\|(---\|)+", line)
        assert {row.count("|") for row in (head, line, *rows)} == {line.count("|")}
        assert all(row.endswith("|") for row in rows)


def test_a_name_cannot_become_html_or_code() -> None:
    text = card(details(["<b>", "`x`", "a|b"]))
    assert "<b>, " not in text
    assert "&#60;b&#62;" in text
    assert "&#96;x&#96;" in text
    assert "a&#124;b" in text


def test_of_many_classes_the_worst_are_shown() -> None:
    text = card(details([f"class {number:03}" for number in range(1000)]))
    assert "The 20 of 1000 classes with the lowest cross-validated F1" in text
    assert len(text.splitlines()) < 200
    assert "| class 002 | " in text  # F1 is 0, as of all that were never predicted
    assert "\n| class 000 | " not in text


def test_the_card_says_the_figures_and_what_failed() -> None:
    text = card(details(["cat", "dog"]))
    assert "The gate is **not passed**." in text
    assert "| accuracy | 0.875 (0.707–0.966) | 0.875 (0.707–0.966) |" in text
    assert "| margin_over_baselines | 0.325 | at least 0.5 | failed |" in text
    assert "| test.accuracy | 0.875 | at least 0.8 | passed |" in text
    assert "| dog | cat | 5 | 1.000 (0.413–1.000) |" in text
    assert "1.00 (image), 0.50 (which), 0.90 (any)" in text
    assert "up to a distance of 0.300 from the training images" in text
    assert "| challenge set, all 2 kinds | 4 | 0.500 (0.045–0.955) |" in text
    assert "| the head alone | 0.500" in text


def test_what_is_not_there_is_left_out_or_said() -> None:
    protocols: Any = details(["cat", "dog"])["protocols"]
    without = {name: part for name, part in protocols["leave_one_cluster_out"].items() if name != "head_alone"}
    text = card(
        details(
            ["cat", "dog"],
            challenge=None,
            pooling={"weights": {"image": 1.0}, "damping": None},
            protocols={**protocols, "leave_one_cluster_out": without},
            thresholds=THRESHOLDS | {"met": False},
        )
    )
    assert "| challenge set | none: `quire add` brings one in | | | |" in text
    assert "there is no zero-shot expert | 0.500" in text
    assert "damping" not in text
    assert (
        "**Risk.** Not met: asked for is that at most 5.0 % of the answers are wrong, but 20 documents can show no more than 4.0 %"
        in text
    )


def test_risk_share_answered_and_reason_are_a_sentence_each() -> None:
    text = card(details(["cat", "dog"]))
    assert "- **Risk.** At most 4.0 % of the answers given are wrong; 20 documents show that with 90 % confidence (5.0 %" in text
    assert "- **Share answered.** Of images that it has not seen, 100 % get an answer; for the others it says *unsure*." in text
    assert "`low_confidence` where the model itself thinks that its likeliest label is wrong with more than\n  50 % probab" in text
