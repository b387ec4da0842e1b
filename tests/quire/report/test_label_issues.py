import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from quire.items.tables import Item
from quire.report.label_issues import LabelIssues, find_label_issues, write_label_issues
from tests.conftest import Encode
from tests.quire.evaluation.rows import predictions

LABELS = ["cat", "<b>dog|"]


def item(key: str) -> Item:
    return Item(key=key, source=f"{key}<>.pdf", page=2, index=0, status="kept", width=48, height=32, image=f"{key}.jpg")


def issues(given: list[float]) -> LabelIssues:
    """Of images labelled as class 1; the model gives that label these probabilities and predicts class 0 below one half."""
    made = predictions([1 - share for share in given], [share >= 0.5 for share in given])
    made = replace(
        made, given=np.array(given), targets=np.ones(len(given), np.int64), predicted=(np.array(given) >= 0.5).astype(np.int64)
    )
    keys = [str(key) for key in made.keys]
    return find_label_issues(made, LABELS, {key: item(key) for key in keys}, {})


def test_the_least_probable_label_is_first_and_equals_go_by_key() -> None:
    found = issues([0.9, 0.2, 0.6, 0.2])
    assert [(issue.item.key, issue.prediction) for issue in found.shown] == [
        ("image-01", "cat"), ("image-03", "cat"), ("image-02", "<b>dog|"), ("image-00", "<b>dog|")
    ]  # fmt: skip
    assert (found.labels, found.differing) == (4, 2)


def test_the_page_holds_its_images_and_says_what_is_asked_again(tmp_path: Path, make_image: Encode) -> None:
    shares = np.linspace(0.05, 0.95, 30).tolist()
    found = issues(shares)
    for number in range(30):
        (tmp_path / f"image-{number:02}.jpg").write_bytes(make_image(seed=number, size=(900, 300)))
    pages = []
    for name in ("once.html", "again.html"):
        write_label_issues(found, tmp_path, tmp_path / name)
        pages.append((tmp_path / name).read_text())
    assert pages[0] == pages[1]
    assert len(re.findall(r'src="data:image/jpeg;base64,/9j/', pages[0])) == 24
    text = re.sub(r"<[^>]*>", " ", pages[0])
    assert re.findall(r"\b15\b", text)  # differ
    assert "quire labels push" in text
    assert "image-00&lt;&gt;.pdf" in pages[0]
    assert "&lt;b&gt;dog|" in pages[0]
    assert "//" not in re.sub(r"base64,[^\"]*", "", pages[0])  # no address
