"""How large an image is for a registry; test_container.py measures a real one."""

from pathlib import Path
from random import Random

import pytest

from deploy.container import compressed_mb


def test_the_size_is_what_gzip_leaves_of_the_saved_image(tmp_path: Path) -> None:
    hard, easy = Random(0).randbytes(3_000_000), bytes(40_000_000)
    (tmp_path / "image.tar").write_bytes(easy + hard)
    assert compressed_mb(tmp_path / "image.tar") == pytest.approx(3, abs=0.1)
