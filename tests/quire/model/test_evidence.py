from pathlib import Path

import numpy as np

from quire.model.evidence import evidence, runner_up
from quire.model.predictor import Predictor
from quire.training.text import count
from quire.training.text_model import Texts
from tests.quire.training.test_text_model import SETTINGS, SIZE, made_up, write_texts


def test_the_n_grams_that_speak_for_and_against_a_label_are_named(tmp_path: Path) -> None:
    said, targets = made_up()
    texts = Texts(count(said, SETTINGS.analyser), targets, np.arange(SIZE) // 3 % 6, np.arange(SIZE))
    predictor = Predictor(write_texts(tmp_path, texts))
    speak_for, against = evidence(predictor, "chat table", "cat", "other")
    assert any("chat" in each.ngram for each in speak_for)
    assert any("tab" in each.ngram for each in against)
    assert min(each.weight for each in speak_for) > 0 > max(each.weight for each in against)
    assert [each.weight for each in speak_for] == sorted((each.weight for each in speak_for), reverse=True)
    assert evidence(predictor, " ", "cat", "other") == ([], [])


def test_the_runner_up_is_the_likeliest_label_but_the_first() -> None:
    assert runner_up(["a", "b", "c"], [0.5, 0.2, 0.3], "a") == "c"
