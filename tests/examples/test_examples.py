"""Each example as a user runs it: `quire demo`, `dvc repro`, and an answer over HTTP that is evaluate's."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quire.items.tables import unpack
from tests.conftest import run
from tests.service.conftest import Serve, serve

__all__ = ["serve"]  # the fixture
pytestmark = [pytest.mark.pipeline, pytest.mark.server]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def made(make_project: Callable[[], Path], kind: str) -> tuple[Path, dict[str, Any]]:
    """A project in which an example ran, and its details."""
    project = make_project()
    run(project, "quire", "demo", kind)
    run(project, "dvc", "repro")
    return project, json.loads((project / "reports" / "details.json").read_text())


def test_reviews_are_answered_by_their_text(make_project: Callable[[], Path], serve: Serve) -> None:
    project, details = made(make_project, "reviews")
    ledger = {row["key"]: row for row in rows(project / "data" / "items.csv") if row["key"]}
    assert [row["reason"] for row in ledger.values() if row["status"] == "rejected"] == ["neither a text nor an image"]
    group_of = {key.rpartition("__")[2]: row["group"] for key, row in ledger.items()}
    assert group_of["364"] == group_of["365"] != group_of["363"]  # equal after folding case and punctuation
    assert 0.85 < details["cross_validation"]["accuracy"]["value"] < 1
    assert details["baselines"]["length"]["value"] < 0.7
    assert set(details["protocols"]["modalities"]["sets"]) == {"text"}
    texts = {row["key"]: row["text"] for row in rows(project / "data" / "texts.csv")}
    predicted = {row["key"]: row for row in rows(project / "reports" / "predictions.csv")}
    with serve(model=str(project / "model")) as running:
        for number in ("0", "1", "360", "361", "362"):
            row = predicted[f"avis__{number}"]
            answer = running.client.post("/v1/classify", json={"text": texts[f"avis__{number}"]}).json()
            assert (answer["prediction"], answer["decision"]) == (row["prediction"], row["decision"])
            assert list(answer["probabilities"].values()) == pytest.approx(unpack(row["probabilities"]), abs=1e-6)
        assert running.client.post("/v1/classify", content=b"\xff\xd8\xff").json()["error"]["code"] == "wrong_field"


def test_a_catalogue_is_answered_by_image_text_or_both(make_project: Callable[[], Path], serve: Serve) -> None:
    project, details = made(make_project, "catalogue")
    ledger = rows(project / "data" / "items.csv")
    assert (len(ledger), sum(not row["image"] for row in ledger)) == (200, 24)
    assert [row["note"] for row in ledger if row["note"]] == [f"no file photos/{name}001.jpg" for name in ("JA", "FL", "JO", "MA")]
    both = details["protocols"]["modalities"]["both"]["accuracy"]
    assert both["pooled"]["value"] > max(both["image"]["value"], both["text"]["value"]) - 0.02
    predicted = {row["key"]: row for row in rows(project / "reports" / "predictions.csv")}
    texts = {row["key"]: row["text"] for row in rows(project / "data" / "texts.csv")}
    with serve(model=str(project / "model")) as running:
        for item in ledger[:12]:
            key = item["key"]
            sent: dict[str, Any] = {"json": {"text": texts[key]}}
            if item["image"]:
                image = (project / "data" / "images" / item["image"]).read_bytes()
                sent = {"data": {"text": texts[key]}, "files": {"image": image}}
            shares = list(running.client.post("/v1/classify", **sent).json()["probabilities"].values())
            assert shares == pytest.approx(unpack(predicted[key]["probabilities"]), abs=1e-5)
