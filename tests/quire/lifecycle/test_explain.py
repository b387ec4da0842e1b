from pathlib import Path

import pytest
from PIL import Image

from quire.command import BadInput
from quire.lifecycle.explain import explain
from tests.conftest import Encode
from tests.quire.model.test_predictor import write_model


def test_an_image_or_a_key_is_explained(tmp_path: Path, make_image: Encode, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("red", "green"):
        (tmp_path / f"{name}.jpg").write_bytes(make_image(size=(40, 30)))
    explain("red", tmp_path, write_model(tmp_path / "model"), tmp_path / "explained")
    assert "b.pdf, page 4" in capsys.readouterr().out
    with Image.open(tmp_path / "explained" / "red.png") as drawn:
        assert drawn.width > 500
    with pytest.raises(BadInput, match="'blue' is neither a file nor the key of one"):
        explain("blue", tmp_path, tmp_path / "model", tmp_path / "explained")
