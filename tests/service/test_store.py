"""The log of answers and the images that are kept."""

import os
import time
from pathlib import Path

import pytest

from quire.model.predictor import Answer
from service.errors import Refused
from service.inference import Classified
from service.settings import Settings
from service.store import Store


def test_what_is_kept_is_forgotten_after_the_days_that_configuration_says(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path, keep_images="unsure", keep_days=30)
    store = Store(settings, "model")
    answers = [
        Classified(name, f"sha-{name}", Answer("cat", "unsure", "low_confidence", {"cat": 0.4}, 1.5), 64, 48)
        for name in ("old", "new", "later")
    ]
    for given in answers[:2]:
        store.log(given, b"image")
    long_ago = time.time() - 31 * 86400
    os.utime(tmp_path / "images" / "sha-old", (long_ago, long_ago))
    store.database.execute("UPDATE answers SET time = ? WHERE id = 'old'", (long_ago,))
    store.forgotten = long_ago  # an hour has passed
    store.log(answers[2], b"image")
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["sha-later", "sha-new"]
    with pytest.raises(Refused, match="no answer has the id 'old'"):
        store.find("old")
    store.database.close()
