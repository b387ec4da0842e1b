import re
from pathlib import Path

import pytest
from PIL import Image

from quire.command import BadInput
from quire.lifecycle.explain import explain
from tests.conftest import Encode
from tests.quire.model.test_predictor import write_model
from tests.quire.training.test_text_model import write_texts
from tests.service.test_text import texts


def test_an_image_or_a_key_is_explained(tmp_path: Path, make_image: Encode, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("red", "green"):
        (tmp_path / f"{name}.jpg").write_bytes(make_image(size=(40, 30)))
    explain("red", tmp_path, tmp_path / "texts.csv", write_model(tmp_path / "model"), tmp_path / "explained")
    assert "b.pdf, page 4" in capsys.readouterr().out
    with Image.open(tmp_path / "explained" / "red.png") as drawn:
        assert drawn.width > 500
    with pytest.raises(BadInput, match="'blue' is neither a file nor the key of one"):
        explain("blue", tmp_path, tmp_path / "texts.csv", tmp_path / "model", tmp_path / "explained")


def test_a_text_is_told_by_its_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a model of texts alone, which looks for no image."""
    (tmp_path / "model").mkdir()
    write_texts(tmp_path / "model", texts())
    (tmp_path / "texts.csv").write_text("key,text\navis__1,chat miaule\n")
    explain("avis__1", tmp_path, tmp_path / "texts.csv", tmp_path / "model", tmp_path / "explained")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("explain: by its text cat ")
    assert any(re.fullmatch(r"explain: \+\d+\.\d\d for cat: .*chat.*", line) for line in said)
    assert not (tmp_path / "explained").exists()
