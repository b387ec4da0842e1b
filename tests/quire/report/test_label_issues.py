import re
from pathlib import Path

import numpy as np

from quire.evaluation.metrics import Predictions
from quire.items.tables import Item
from quire.report.label_issues import label_noise, rank
from tests.conftest import Encode

LABELS = ["cat", "dog"]


def item(key: str) -> Item:
    return Item(
        key=key, source=f"{key}<>.pdf", page=2, index=0, status="kept", width=48, height=32, image_sha256=key, image=f"{key}.jpg"
    )


def ranked(probabilities: list[list[float]], targets: list[int]) -> list[tuple[str, str, str]]:
    keys = [f"image-{number}" for number in range(len(targets))]
    predictions = Predictions(np.array(probabilities), np.array(targets), np.array(keys))
    doubts = rank(predictions, keys, LABELS, {key: item(key) for key in keys}, dict.fromkeys(keys, "train"))
    return [(str(doubt.item.key), doubt.label, doubt.prediction) for doubt in doubts]


def test_the_least_probable_label_is_first_and_equals_go_by_key() -> None:
    assert ranked([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.4, 0.6]], [0, 0, 1, 0]) == [
        ("image-1", "cat", "dog"),
        ("image-2", "dog", "cat"),
        ("image-3", "cat", "dog"),
        ("image-0", "cat", "cat"),
    ]


def test_the_page_holds_its_images_and_says_what_is_asked_again(tmp_path: Path, make_image: Encode) -> None:
    keys = [f"image-{number:02}" for number in range(30)]
    for number, key in enumerate(keys):
        (tmp_path / f"{key}.jpg").write_bytes(make_image(seed=number, size=(900, 300)))
    shares = np.linspace(0.05, 0.95, 30)
    predictions = Predictions(np.stack([shares, 1 - shares], 1), np.zeros(30, np.int64), np.array(keys))
    sets = {key: "test" if key < "image-05" else "train" for key in keys}
    doubts = rank(predictions, keys, LABELS, {key: item(key) for key in keys}, sets)
    pages = []
    for name in ("once.html", "again.html"):
        label_noise(doubts, tmp_path, tmp_path / name)
        pages.append((tmp_path / name).read_text())
    assert pages[0] == pages[1]
    assert "something else than the label for <strong>15</strong>" in pages[0]
    assert "push --tool ecotag|label-studio --only disagreement</code> asks people again about 10 of these" in pages[0]
    assert re.findall(r"image-\d\d(?=<br>)", pages[0]) == keys[:24]
    assert len(re.findall(r'src="data:image/jpeg;base64,/9j/', pages[0])) == 24
    assert "image-00&lt;&gt;.pdf, page 3, test set" in pages[0]
    assert "//" not in re.sub(r"base64,[^\"]*", "", pages[0])  # no address
