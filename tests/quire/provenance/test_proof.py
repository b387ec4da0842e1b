"""A commit's results made anew and held against its dvc.lock, and an answer led back to its page."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from git import Repo

from tests.conftest import commit, move_bias, run
from tests.service.conftest import Serve, serve

CHANGED = "stage train, model, answer_image.onnx: tensor pooled.linear.bias[1]: "  # what changed_model changes
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git's hash of nothing

pytestmark = pytest.mark.pipeline
__all__ = ["serve"]  # the fixture


@pytest.fixture
def changed_model(demo: Path) -> Iterator[Path]:
    """The demo with one weight of the model moved, and dvc.lock saying that this is what `train` gives."""
    move_bias(demo, 0.25)
    yield demo
    Repo(demo).git.reset("--hard", "results")
    run(demo, "dvc", "checkout")


def trace(project: Path, subject: str, store: Path | None = None) -> dict[str, str]:
    lines = run(project, sys.executable, "-m", "quire", "trace", subject, QUIRE_STORE=str(store or "feedback")).stdout.splitlines()
    return {line[:14].strip(): line[15:] for line in reversed(lines)}


def results_commit(project: Path) -> str:
    """The commit whose dvc.lock names the demo's results: the demo's own, unless they were committed before."""
    return str(Repo(project).git.log("-1", "--format=%H", "results", "--", "dvc.lock"))


def test_a_repro_of_what_was_committed_says_that_it_is_identical(demo: Path) -> None:
    assert "results   identical to the committed results" in run(demo, sys.executable, "-m", "quire", "summary").stdout


def test_other_inputs_are_named_as_the_reason_for_other_results(demo: Path) -> None:
    lock = demo / "dvc.lock"
    kept = lock.read_text()
    lock.write_text(kept.replace("seed: 20", "seed: 21"))
    try:
        said = run(demo, sys.executable, "-m", "quire", "summary").stdout
    finally:
        lock.write_text(kept)
    assert "results   new, for the inputs are: split split.seed, train train.seed, evaluate evaluate.seed" in said


def test_a_difference_is_named_to_the_tensor(changed_model: Path) -> None:
    said = run(changed_model, sys.executable, "-m", "quire", "summary").stdout
    assert f"results   DIFFERENT from the committed ones: {CHANGED}" in said
    commit(changed_model, "a model that nobody can make")

    proof = run(changed_model, sys.executable, "-m", "quire", "prove", check=False)
    assert proof.returncode == 1
    for stage, count in {"extract": 4, "import_labels": 3, "split": 1}.items():
        assert f"  {stage:14} {count} outputs identical" in proof.stdout
    assert "DIFFERENT" in proof.stdout
    assert f"first difference: {CHANGED}" in proof.stdout
    assert proof.stdout.endswith("NOT identical to the committed results\n")


@pytest.mark.parametrize(
    ("commit", "message"),
    [("nowhere", "nowhere: no such commit here"), ("bare", "bare: the commit has no dvc.lock, so it promises no result")],
)
def test_a_commit_that_promises_nothing_is_an_error(demo: Path, commit: str, message: str) -> None:
    empty = run(demo, "git", "commit-tree", "-m", "nothing", EMPTY_TREE).stdout.strip()
    run(demo, "git", "tag", "--force", "bare", empty)
    failed = run(demo, sys.executable, "-m", "quire", "prove", commit, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"prove: error: {message}")


def test_an_image_is_traced_to_its_page_its_label_and_the_model(demo: Path) -> None:
    (image,) = (demo / "data" / "images").glob("demo-001_page1_index0.*")
    facts = trace(demo, image.stem)
    assert facts["document"] == "data/raw/demo-001.pdf, page 2, image 1 of the page"
    assert facts["label"] == "dog"
    assert facts["given by"].startswith("annotator 1: dog, demo-ecotag.json annotations[")
    assert facts["set"] in ("train", "validation", "test")
    assert facts["model"].startswith("model/model.json, version ")
    assert f"commit {Repo(demo).commit('results~1').hexsha}" in facts["run"]
    assert results_commit(demo) in facts["commit"]
    assert trace(demo, str(image)) == trace(demo, hashlib.sha256(image.read_bytes()).hexdigest()[:12]) == facts


def test_an_answer_is_traced_through_an_earlier_commit(changed_model: Path, serve: Serve, tmp_path: Path) -> None:
    """The model that answered is no longer the one in the working tree."""
    original = tmp_path / "model"
    original.mkdir()
    for path in (changed_model / "model").iterdir():
        run(changed_model, "dvc", "get", ".", f"model/{path.name}", "--rev", "results", "--out", str(original / path.name))
    with serve(model=str(original), store=str(tmp_path / "store")) as served:
        pdf = (changed_model / "data" / "raw" / "demo-001.pdf").read_bytes()
        answers = served.client.post("/v1/classify/pdf", files={"pdf": pdf}).json()["images"]
    answer = next(row for row in answers if row["page"] == 1)
    facts = trace(changed_model, answer["id"], tmp_path / "store")
    assert facts["answer"].startswith(answer["id"])
    assert facts["said"].startswith(answer["prediction"])
    assert facts["sent as"] == f"page 2, image 1 of the page, of a PDF with SHA-256 {hashlib.sha256(pdf).hexdigest()}"
    assert facts["document"] == "data/raw/demo-001.pdf, page 2, image 1 of the page"
    assert facts["model"].startswith(f"model/model.json, version {answer['model']['version']}")
    assert results_commit(changed_model) in facts["commit"]


def test_what_is_nowhere_is_an_error(demo: Path) -> None:
    failed = run(demo, sys.executable, "-m", "quire", "trace", "0123456789abcdef", check=False)
    assert failed.returncode == 1
    assert failed.stderr == (
        "trace: error: 0123456789abcdef: neither a file, nor an answer's id, nor an image of any version of data/items.csv\n"
    )
